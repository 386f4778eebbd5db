"""The node.k8s.io group: runtime classes."""

from __future__ import annotations

from apiserver.resources.columns import groups as columns
from apiserver.resources.rows import built_in
from apiserver.resources.rules import Rules
from apiserver.resources.validation import node_k8s as validation

ROWS = (
    built_in(
        "node.k8s.io/v1",
        "RuntimeClass",
        "runtimeclasses",
        namespaced=False,
        columns=columns.RUNTIME_CLASS,
        strategy=Rules(
            status=False,
            generation=False,
            unconditional=False,
            validate=validation.runtime_class,
            update=validation.runtime_class_update,
        ),
    ),
)
