"""The scheduling.k8s.io group: priorities of pods."""

from __future__ import annotations

from apiserver.resources.columns import groups as columns
from apiserver.resources.defaults import scheduling as defaults
from apiserver.resources.rows import built_in
from apiserver.resources.rules import Rules
from apiserver.resources.validation import scheduling as validation

ROWS = (
    built_in(
        "scheduling.k8s.io/v1",
        "PriorityClass",
        "priorityclasses",
        namespaced=False,
        short=("pc",),
        columns=columns.PRIORITY_CLASS,
        strategy=Rules(
            status=False,
            default=defaults.priority_class,
            validate=validation.priority_class,
            update=validation.priority_class_update,
        ),
    ),
)
