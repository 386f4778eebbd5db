"""The scheduling.k8s.io group: priorities of pods."""

from __future__ import annotations

from apiserver.resources.rows import built_in
from apiserver.resources.rules import Rules

ROWS = (
    built_in(
        "scheduling.k8s.io/v1",
        "PriorityClass",
        "priorityclasses",
        namespaced=False,
        short=("pc",),
        strategy=Rules(status=False),
    ),
)
