"""What the default roles and bindings should become, given what is there.

As kube-apiserver at start: a missing one is made; one that misses rules or subjects gets them; what somebody added
stays; one whose `autoupdate` annotation says "false" is left alone; a binding to another role is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apiserver.auth.bootstrap.aggregation import settle
from apiserver.auth.bootstrap.bindings import cluster_role_bindings, join_roles, role_bindings, roles
from apiserver.auth.bootstrap.cluster_roles import cluster_roles
from apiserver.auth.bootstrap.controller_roles import controller_roles
from apiserver.auth.bootstrap.notation import AUTOUPDATE
from apiserver.auth.rules import compile_rule, missing
from machinery.objects import meta

Object = dict[str, Any]
Find = Callable[[str, str, str], Object | None]
"""(kind, namespace, name) -> the stored object."""


@dataclass(slots=True)
class Plan:
    """What to write, in this order: replace is deleting and creating (a binding's role is immutable)."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    replace: list[Object] = field(default_factory=list)


def defaults() -> list[Object]:
    """Every default object, freshly made, the sums with their rules."""
    everywhere = {meta.name(role): role for role in (*cluster_roles(), *controller_roles(), *join_roles())}
    everywhere.update(settle(everywhere))
    return [*everywhere.values(), *roles(), *cluster_role_bindings(), *role_bindings()]


def plan(find: Find) -> Plan:
    """How to get from what is stored to what must be."""
    result = Plan()
    for wanted in defaults():
        stored = find(wanted["kind"], meta.namespace(wanted), meta.name(wanted))
        if stored is None:
            result.create.append(wanted)
        elif meta.annotation(stored, AUTOUPDATE) == "false":
            continue
        elif "roleRef" in wanted and stored.get("roleRef") != wanted["roleRef"]:
            result.replace.append(wanted)
        elif (merged := _merged(stored, wanted)) is not None:
            result.update.append(merged)
    return result


def _merged(stored: Object, wanted: Object) -> Object | None:
    """The stored object with what it lacks; None when it lacks nothing."""
    merged = _with_metadata(stored, wanted)
    if "roleRef" in wanted:
        subjects = [*(stored.get("subjects") or ())]
        subjects += _without(wanted["subjects"], subjects)
        if subjects != (stored.get("subjects") or []):
            merged = {**merged, "subjects": subjects}
    elif "aggregationRule" in wanted:
        if stored.get("aggregationRule") != wanted["aggregationRule"]:
            merged = {**merged, "aggregationRule": wanted["aggregationRule"]}
    else:
        held = [compile_rule(rule) for rule in stored.get("rules") or ()]
        lacking = missing(held, wanted["rules"])
        if lacking:
            merged = {**merged, "rules": [*(stored.get("rules") or ()), *lacking]}
    return merged if merged != stored else None


def _with_metadata(stored: Object, wanted: Object) -> Object:
    metadata = dict(meta.metadata(stored))
    for key in ("labels", "annotations"):
        # The user's own values win.
        together = {**(meta.metadata(wanted).get(key) or {}), **(metadata.get(key) or {})}
        if together != (metadata.get(key) or {}):
            metadata[key] = together
    return {**stored, "metadata": metadata} if metadata != meta.metadata(stored) else stored


def _without(wanted: Iterable[Mapping[str, Any]], held: Iterable[Mapping[str, Any]]) -> list[Object]:
    known = {_identity(subject) for subject in held}
    return [dict(subject) for subject in wanted if _identity(subject) not in known]


def _identity(subject: Mapping[str, Any]) -> tuple[str, str, str]:
    return subject.get("kind", ""), subject.get("namespace", ""), subject.get("name", "")
