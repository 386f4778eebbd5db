"""The storage.k8s.io group."""

from __future__ import annotations

from apiserver.resources.rows import STATUS, built_in
from apiserver.resources.rules import Rules

_V1 = "storage.k8s.io/v1"

ROWS = (
    built_in(
        _V1,
        "CSIDriver",
        "csidrivers",
        namespaced=False,
        strategy=Rules(status=False, generation=False, unconditional=False),
    ),
    built_in(
        _V1,
        "CSINode",
        "csinodes",
        namespaced=False,
        strategy=Rules(status=False, generation=False, unconditional=False),
    ),
    built_in(
        _V1,
        "CSIStorageCapacity",
        "csistoragecapacities",
        strategy=Rules(status=False, generation=False, unconditional=False),
    ),
    built_in(
        _V1,
        "StorageClass",
        "storageclasses",
        namespaced=False,
        short=("sc",),
        strategy=Rules(status=False, generation=False),
    ),
    built_in(
        _V1,
        "VolumeAttachment",
        "volumeattachments",
        namespaced=False,
        subresources=(STATUS,),
        strategy=Rules(generation=False, unconditional=False),
    ),
    built_in(
        _V1,
        "VolumeAttributesClass",
        "volumeattributesclasses",
        namespaced=False,
        short=("vac",),
        strategy=Rules(status=False, generation=False),
    ),
)
