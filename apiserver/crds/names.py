"""Which names a definition may have: nobody else in its group may be called so. Pure.

Rules and texts: apiextensions-apiserver `controller/status/naming_controller.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.resources.spec import ResourceSpec

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Naming:
    """accepted: `status.acceptedNames`. conflict: (reason, message) of what is taken; None when all is free."""

    accepted: Object
    conflict: tuple[str, str] | None


def decide(definition: Object, served: Iterable[ResourceSpec]) -> Naming:
    """The names of a definition beside the resources of its group that others serve."""
    names = definition["spec"]["names"]
    resources: set[str] = set()
    kinds: set[str] = set()
    for spec in served:
        resources |= {spec.gvr.resource, spec.singular, *spec.short_names}
        kinds |= {spec.kind, spec.list_gvk.kind}
    before: Mapping[str, Any] = (definition.get("status") or {}).get("acceptedNames") or {}
    accepted: Object = {}
    conflict: tuple[str, str] | None = None
    for field, taken, reason in (
        ("plural", resources, "PluralConflict"),
        ("singular", resources, "SingularConflict"),
        ("kind", kinds, "KindConflict"),
        ("listKind", kinds, "ListKindConflict"),
    ):
        wanted = names.get(field) or ""
        if wanted and wanted in taken:
            conflict = (reason, f'"{wanted}" is already in use')
            wanted = before.get(field) or ""
        if wanted:
            accepted[field] = wanted
    short = names.get("shortNames") or []
    used = [name for name in short if name in resources]
    if used:
        conflict = ("ShortNamesConflict", "; ".join(f'"{name}" is already in use' for name in used))
        short = before.get("shortNames") or []
    if short:
        accepted["shortNames"] = short
    if names.get("categories"):
        accepted["categories"] = names["categories"]
    return Naming(accepted, conflict)
