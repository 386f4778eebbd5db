"""Server-side apply: who owns which field, kept in `metadata.managedFields`, and what that allows.

An apply says all that its manager wants of an object. Fields that it names become its own; changing a field that
another manager owns to another value is a conflict unless forced; fields that it named last time and no longer names
vanish when nobody else owns them. Every other write makes its writer the owner of the fields that it changed.
Rules: structured-merge-diff's `merge.Updater`, and the API's server-side apply reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from machinery import errors
from machinery.objects import meta, timefmt
from machinery.patch import fieldset, typed
from machinery.patch.fieldset import EMPTY, FieldSet, Path
from machinery.schema.model import Schema

Object = dict[str, Any]

MAX_UPDATE_MANAGERS = 10
"""More managers than this that only update are merged, the oldest first, under one name."""
_ANCIENT = "ancient-changes"
_BEFORE_FIRST_APPLY = "before-first-apply"
_UNOWNED = frozenset({"f:apiVersion", "f:kind", fieldset.MEMBER})
_UNOWNED_METADATA = frozenset(
    f"f:{name}"
    for name in (
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
        "resourceVersion",
    )
)  # fmt: skip
"""Fields that the server fills in or that name the object: nobody owns them."""


class Manager(NamedTuple):
    """Who wrote, how (Apply or Update), in which version, to which subresource."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def __str__(self) -> str:
        """As a conflict names it."""
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return text if self.operation == "Apply" else f"{text} using {self.api_version}"


class Owned(NamedTuple):
    """A manager's fields, and when they last changed (RFC 3339; "" when nobody wrote it down)."""

    fields: FieldSet
    time: str


Managers = dict[Manager, Owned]


def apply(
    schema: Schema,
    live: Object | None,
    config: Object,
    *,
    manager: str,
    force: bool,
    now: datetime,
    subresource: str = "",
    ignore: Iterable[Path] = (),
) -> Object:
    """The object that an apply of `config` makes of `live` (None when there is none yet), managedFields included.

    ignore: paths that this request cannot write (`("f:status",)` on the object itself); the caller drops their values.
    Raises errors.Conflict, with a cause for each field, and errors.BadRequest when `config` sets managedFields.
    """
    if meta.metadata(config).get("managedFields"):
        raise errors.BadRequest("metadata.managedFields must be nil")
    who = Manager(manager, "Apply", meta.api_version(config), subresource)
    wanted = _owned_fields(typed.fields_of(schema, config), ignore)
    base = live if live is not None else {}
    managers = parse(meta.metadata(base).get("managedFields"))
    if live is not None and not any(each.operation == "Apply" for each in managers) and not managers:
        existing = _owned_fields(typed.fields_of(schema, live), ignore)
        before = Manager(_BEFORE_FIRST_APPLY, "Update", meta.api_version(live))
        managers[before] = Owned(existing, timefmt.format(meta.creation_time(live) or now))
    last = managers.get(who, Owned(EMPTY, ""))
    others = {each: owned for each, owned in managers.items() if each != who}

    result: Object = typed.merge(schema, base, config)
    held = wanted
    for owned in others.values():
        held = fieldset.union(held, owned.fields)
    result = typed.remove_unowned(schema, result, last.fields, held)

    comparison = typed.compare(schema, base, result)
    others = _yield_fields(others, comparison, ignore, force=force)
    time = last.time if last.fields == wanted and last.time else timefmt.format(now)
    return _with_managers(result, {**others, who: Owned(wanted, time)})


def record_update(
    schema: Schema,
    old: Object | None,
    new: Object,
    *,
    manager: str,
    now: datetime,
    subresource: str = "",
    ignore: Iterable[Path] = (),
) -> Object:
    """`new` with managedFields that say what this write, by anything but apply, changed since `old`.

    A writer that sends `managedFields: []` resets the ownership; else the writer's own managedFields are not looked at.
    """
    if old is not None and meta.metadata(new).get("managedFields") == [] and meta.metadata(old).get("managedFields"):
        return _with_managers(new, {})
    managers = parse(meta.metadata(old or {}).get("managedFields"))
    who = Manager(manager, "Update", meta.api_version(new), subresource)
    comparison = typed.compare(schema, old or {}, new)
    changed = _owned_fields(comparison.changed, ignore)
    removed = _owned_fields(comparison.removed, ignore)
    result: Managers = {}
    for each, owned in managers.items():
        rest = fieldset.difference(owned.fields, removed)
        if each != who:
            rest = fieldset.difference(rest, changed)
        if rest:
            result[each] = Owned(rest, owned.time)
    mine = result.get(who, Owned(EMPTY, ""))
    fields = fieldset.union(mine.fields, changed)
    if fields:
        time = mine.time if fields == mine.fields and mine.time else timefmt.format(now)
        result[who] = Owned(fields, time)
    return _with_managers(new, _capped(result))


def parse(entries: Iterable[Mapping[str, Any]] | None) -> Managers:
    """The managers of `metadata.managedFields`. Entries of an unknown format are left out."""
    managers: Managers = {}
    for entry in entries or ():
        if entry.get("fieldsType", "FieldsV1") != "FieldsV1":
            continue
        who = Manager(
            entry.get("manager", ""),
            entry.get("operation", ""),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
        )
        managers[who] = Owned(entry.get("fieldsV1") or EMPTY, entry.get("time", ""))
    return managers


def entries(managers: Managers) -> list[Object]:
    """`metadata.managedFields`: applies first, then by time and name."""
    listed = []
    for who, owned in sorted(managers.items(), key=lambda each: (each[0].operation, each[1].time, each[0])):
        entry = {
            "manager": who.name,
            "operation": who.operation,
            "apiVersion": who.api_version,
            "time": owned.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": owned.fields,
        }
        if not owned.time:
            del entry["time"]
        if who.subresource:
            entry["subresource"] = who.subresource
        listed.append(entry)
    return listed


def _yield_fields(others: Managers, comparison: typed.Comparison, ignore: Iterable[Path], *, force: bool) -> Managers:
    """The other managers after an apply changed these fields. Raises Conflict unless forced."""
    conflicts = []
    result: Managers = {}
    changed = _owned_fields(comparison.changed, ignore)
    for who, owned in others.items():
        lost = fieldset.intersection(owned.fields, changed)
        conflicts += [(str(who), fieldset.show(path)) for path in fieldset.paths(lost)]
        rest = fieldset.difference(fieldset.difference(owned.fields, lost), comparison.removed)
        if rest:
            result[who] = Owned(rest, owned.time)
    if conflicts and not force:
        raise errors.apply_conflict(conflicts)
    return result


def _owned_fields(fields: FieldSet, ignore: Iterable[Path]) -> FieldSet:
    owned = {key: sub for key, sub in fields.items() if key not in _UNOWNED}
    if (metadata := owned.get("f:metadata")) is not None:
        owned["f:metadata"] = {key: sub for key, sub in metadata.items() if key not in _UNOWNED_METADATA}
        if not owned["f:metadata"]:
            del owned["f:metadata"]
    for path in ignore:
        owned = fieldset.without_below(owned, path)
    return owned


def _capped(managers: Managers) -> Managers:
    updates = [each for each in managers.items() if each[0].operation == "Update" and not each[0].subresource]
    excess = len(updates) - MAX_UPDATE_MANAGERS
    if excess <= 0:
        return managers
    oldest = sorted(updates, key=lambda each: each[1].time)[: excess + 1]
    fields: FieldSet = EMPTY
    for _, owned in oldest:
        fields = fieldset.union(fields, owned.fields)
    merged_away = {who for who, _ in oldest}
    last, owned = oldest[-1]
    kept = {who: each for who, each in managers.items() if who not in merged_away}
    return {**kept, Manager(_ANCIENT, "Update", last.api_version): Owned(fields, owned.time)}


def _with_managers(o: Object, managers: Managers) -> Object:
    metadata = {**meta.metadata(o), "managedFields": entries(managers)}
    if not managers:
        del metadata["managedFields"]
    return {**o, "metadata": metadata}
