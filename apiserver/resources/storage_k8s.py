"""The storage.k8s.io group."""

from __future__ import annotations

from apiserver.resources.columns import groups
from apiserver.resources.columns import storage_k8s as columns
from apiserver.resources.defaults import storage_k8s as defaults
from apiserver.resources.rows import STATUS, built_in
from apiserver.resources.rules import Rules
from apiserver.resources.validation import storage_k8s as validation

_V1 = "storage.k8s.io/v1"

ROWS = (
    built_in(
        _V1,
        "CSIDriver",
        "csidrivers",
        namespaced=False,
        columns=columns.CSI_DRIVER,
        strategy=Rules(
            status=False,
            generation=False,
            unconditional=False,
            default=defaults.csi_driver,
            validate=validation.csi_driver,
        ),
    ),
    built_in(
        _V1,
        "CSINode",
        "csinodes",
        namespaced=False,
        columns=columns.CSI_NODE,
        strategy=Rules(status=False, generation=False, unconditional=False),
    ),
    built_in(
        _V1,
        "CSIStorageCapacity",
        "csistoragecapacities",
        columns=groups.PLAIN,
        strategy=Rules(status=False, generation=False, unconditional=False),
    ),
    built_in(
        _V1,
        "StorageClass",
        "storageclasses",
        namespaced=False,
        short=("sc",),
        columns=columns.STORAGE_CLASS,
        strategy=Rules(
            status=False,
            generation=False,
            default=defaults.storage_class,
            validate=validation.storage_class,
            update=validation.storage_class_update,
        ),
    ),
    built_in(
        _V1,
        "VolumeAttachment",
        "volumeattachments",
        namespaced=False,
        subresources=(STATUS,),
        columns=columns.ATTACHMENT,
        strategy=Rules(
            generation=False,
            unconditional=False,
            initial_status={"attached": False},
            validate=validation.volume_attachment,
            update=validation.volume_attachment_update,
        ),
    ),
    built_in(
        _V1,
        "VolumeAttributesClass",
        "volumeattributesclasses",
        namespaced=False,
        short=("vac",),
        columns=columns.ATTRIBUTES_CLASS,
        strategy=Rules(
            status=False,
            generation=False,
            validate=validation.attributes_class,
            update=validation.attributes_class_update,
        ),
    ),
)
