"""Objects as trees of owned fields: which fields an object has, what changed between two, merging and removing.

The schema's list and map types say what is one field: an atomic list or map is one, whatever is inside; a keyed list
(`x-kubernetes-list-type: map`) has its items as fields, a set its values; structs and other maps have their keys. Where
there is no schema, maps have their keys and lists are one. Rule: structured-merge-diff's `typed`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import orjson

from machinery.patch import fieldset
from machinery.patch.fieldset import EMPTY, MEMBER, FieldSet
from machinery.schema.model import Schema

_KEY_DEFAULTS = {"protocol": "TCP"}
"""Keys of lists that a manifest may leave out; the definitions do not say so themselves."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """changed: fields added or with another value. removed: fields that are gone."""

    changed: FieldSet
    removed: FieldSet


def fields_of(schema: Schema | None, value: Any) -> FieldSet:
    """The fields that an applied object names. {} for a value that is one field itself."""
    if isinstance(value, dict) and _is_granular_map(schema):
        found: FieldSet = {}
        for key, each in value.items():
            sub = fields_of(_child(schema, key), each) if isinstance(each, dict | list) else EMPTY
            is_data = bool(sub) and (schema is None or schema.field(key) is None)
            found[fieldset.field(key)] = {MEMBER: {}, **sub} if is_data else sub
        return found
    if isinstance(value, list) and (named := items_by_element(schema, value)) is not None:
        assert schema is not None  # items_by_element answers None without one
        found = {}
        for element, each in named.items():
            sub = fields_of(schema.items, each) if element.startswith("k:") else EMPTY
            found[element] = {MEMBER: {}, **sub} if sub else EMPTY
        return found
    return EMPTY


def compare(schema: Schema | None, old: Any, new: Any) -> Comparison:
    """What changed from `old` to `new`; None stands for an absent value."""
    if isinstance(old, dict) and isinstance(new, dict) and _is_granular_map(schema):
        pairs = {fieldset.field(key): (_child(schema, key), old.get(key), new.get(key)) for key in {**old, **new}}
        return _compare_members(pairs)
    if isinstance(old, list) and isinstance(new, list):
        before, after = items_by_element(schema, old), items_by_element(schema, new)
        if before is not None and after is not None and schema is not None:
            keys = {**before, **after}
            return _compare_members({key: (schema.items, before.get(key), after.get(key)) for key in keys})
    if old is None:
        return Comparison(all_of(schema, new), EMPTY)
    if new is None:
        return Comparison(EMPTY, all_of(schema, old))
    return Comparison({MEMBER: {}} if not _same(old, new) else EMPTY, EMPTY)


def all_of(schema: Schema | None, value: Any) -> FieldSet:
    """The fields of a value that appeared or vanished whole: as `fields_of`, and the containers that are data too."""
    if schema is not None and isinstance(value, dict):
        return _remembered(schema, orjson.dumps(value))
    return _all_of(schema, value)


@functools.lru_cache(maxsize=1024)
def _remembered(schema: Schema, document: bytes) -> FieldSet:
    """Objects of one template are alike but for their names, and so are their fields. Nobody changes a FieldSet."""
    return _all_of(schema, orjson.loads(document))


def _all_of(schema: Schema | None, value: Any) -> FieldSet:
    sub = fields_of(schema, value)
    if not sub:
        return {MEMBER: {}}
    return {MEMBER: {}, **sub} if schema is None or not schema.closed else sub


def merge(schema: Schema | None, live: Any, applied: Any) -> Any:
    """`live` with all that `applied` says. Neither is changed.

    Items of keyed lists and sets keep their place; applied items stand in the order they were applied in.
    """
    if isinstance(live, dict) and isinstance(applied, dict) and _is_granular_map(schema):
        merged = dict(live)
        for key, value in applied.items():
            merged[key] = merge(_child(schema, key), live[key], value) if key in live else value
        return merged
    if isinstance(live, list) and isinstance(applied, list):
        before, after = items_by_element(schema, live), items_by_element(schema, applied)
        if before is not None and after is not None and schema is not None:
            return _merge_items(schema, before, after)
    return applied


def remove_unowned(schema: Schema | None, value: Any, last: FieldSet, owned: FieldSet) -> Any:
    """`value` without the fields of `last` that `owned` does not hold (nor anything below them)."""
    if isinstance(value, dict):
        kept = {}
        for key, each in value.items():
            element = fieldset.field(key)
            if element not in last:
                kept[key] = each
            elif element in owned:
                kept[key] = remove_unowned(_child(schema, key), each, last[element], owned[element])
        return kept
    if isinstance(value, list) and (named := items_by_element(schema, value)) is not None and schema is not None:
        return [
            remove_unowned(schema.items, each, last[element], owned[element]) if element in last else each
            for element, each in named.items()
            if element not in last or element in owned
        ]
    return value


def items_by_element(schema: Schema | None, items: list[Any]) -> dict[str, Any] | None:
    """The items of a keyed list or a set by their path elements; None for a list that is one field."""
    if schema is None:
        return None
    if schema.list_type == "set":
        return {fieldset.item_by_value(item): item for item in items}
    if schema.list_type != "map":
        return None
    named = {}
    for item in items:
        if not isinstance(item, dict):
            return None
        keys = {key: item.get(key, key_default(schema, key)) for key in schema.map_keys}
        named[fieldset.item_by_keys({key: value for key, value in keys.items() if value is not None})] = item
    return named if len(named) == len(items) else None


def key_default(schema: Schema, key: str) -> Any:
    """What a key of a list's items is when an item does not have it; None when it must."""
    items = schema.items
    field = items.field(key) if items else None
    return field.raw.get("default", _KEY_DEFAULTS.get(key)) if field else None


def _compare_members(pairs: dict[str, tuple[Schema | None, Any, Any]]) -> Comparison:
    changed: FieldSet = {}
    removed: FieldSet = {}
    for element, (schema, before, after) in pairs.items():
        if before is after or (isinstance(before, dict | list) and before == after):
            continue  # most of an object stays as it is, and comparing dicts is cheaper than walking them
        if before is None and not isinstance(after, dict | list):
            changed[element] = EMPTY  # as below, sooner: of a new object this is nearly every field
            continue
        below = compare(schema, before, after)
        is_item = not element.startswith("f:")
        if below.changed:
            changed[element] = _below(below.changed, is_item and before is None)
        if below.removed:
            removed[element] = _below(below.removed, is_item and after is None)
    return Comparison(changed, removed)


def _below(sub: FieldSet, whole: bool) -> FieldSet:
    if whole:
        sub = {MEMBER: {}, **sub}
    return EMPTY if sub == {MEMBER: {}} else sub


def _merge_items(schema: Schema, before: dict[str, Any], after: dict[str, Any]) -> list[Any]:
    merged: list[Any] = []
    waiting = list(after)
    for element, each in before.items():
        if element not in after:
            merged.append(each)
            continue
        while element in waiting:
            following = waiting.pop(0)
            value = after[following]
            merged.append(merge(schema.items, before[following], value) if following in before else value)
    return [*merged, *(after[element] for element in waiting)]


def _is_granular_map(schema: Schema | None) -> bool:
    return schema is None or (schema.map_type != "atomic" and schema.type in ("object", ""))


def _child(schema: Schema | None, key: str) -> Schema | None:
    return schema.child(key) if schema is not None else None


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)
