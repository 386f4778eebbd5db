"""The apiextensions.k8s.io group: the definitions of custom resources."""

from __future__ import annotations

from apiserver.crds.strategy import DefinitionStrategy
from apiserver.resources.columns import groups as columns
from apiserver.resources.defaults import apiextensions as defaults
from apiserver.resources.rows import EXTENSIONS, STATUS, built_in
from apiserver.resources.validation import apiextensions as validation

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
        columns=columns.PLAIN,
        strategy=DefinitionStrategy(
            unconditional=False,
            default=defaults.custom_resource_definition,
            validate=validation.definition,
            create=validation.definition_create,
            update=validation.definition_update,
        ),
    ),
)
