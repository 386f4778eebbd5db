"""The node.k8s.io group: runtime classes."""

from __future__ import annotations

from apiserver.resources.rows import built_in
from apiserver.resources.rules import Rules

ROWS = (
    built_in(
        "node.k8s.io/v1",
        "RuntimeClass",
        "runtimeclasses",
        namespaced=False,
        strategy=Rules(status=False, generation=False, unconditional=False),
    ),
)
