"""The apiextensions.k8s.io group: the definitions of custom resources."""

from __future__ import annotations

from apiserver.resources.rows import EXTENSIONS, STATUS, built_in
from apiserver.resources.rules import Rules

ROWS = (
    built_in(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        namespaced=False,
        short=("crd", "crds"),
        categories=EXTENSIONS,
        storage="apiextensions.k8s.io/customresourcedefinitions",
        subresources=(STATUS,),
        strategy=Rules(unconditional=False),
    ),
)
