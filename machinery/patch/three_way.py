"""The patch of client-side apply: what a manifest changed since it was last applied, over what is there now.

What is in `modified` and differs from `current` is set; what was in `original` (the last applied manifest) and is no
longer in `modified` is removed; what others set is left alone. The result is a strategic merge patch when the kind has
a schema, and a JSON merge patch otherwise. Rules: the documentation of `kubectl apply` ("how apply calculates
differences and merges changes").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from machinery.schema.model import Schema

Object = Mapping[str, Any]


def strategic(original: Object, modified: Object, current: Object, schema: Schema) -> dict[str, Any]:
    """A strategic merge patch; empty when nothing changes. No argument is changed."""
    return _map(original, modified, current, schema)


def merge(original: Object, modified: Object, current: Object) -> dict[str, Any]:
    """A JSON merge patch (RFC 7386), for kinds without a schema."""
    return _map(original, modified, current, None)


def _map(original: Object, modified: Object, current: Object, schema: Schema | None) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    for key, wanted in modified.items():
        if wanted is None:
            if current.get(key) is not None:
                patch[key] = None
            continue
        if key not in current or current[key] is None:
            patch[key] = wanted
            continue
        _value(patch, key, original.get(key), wanted, current[key], schema.child(key) if schema else None)
    for key in original:
        if key not in modified and key in current:
            patch[key] = None
    return patch


def _value(patch: dict[str, Any], key: str, before: Any, wanted: Any, now: Any, schema: Schema | None) -> None:
    strategy = schema.patch_strategy if schema else frozenset[str]()
    if isinstance(wanted, dict) and isinstance(now, dict) and "replace" not in strategy:
        inner = _map(before if isinstance(before, dict) else {}, wanted, now, schema)
        if inner and "retainKeys" in strategy:
            inner["$retainKeys"] = sorted(wanted)
        if inner:
            patch[key] = inner
    elif isinstance(wanted, list) and isinstance(now, list) and schema is not None and "merge" in strategy:
        _list(patch, key, before if isinstance(before, list) else [], wanted, now, schema)
    elif wanted != now:
        patch[key] = wanted


def _list(
    patch: dict[str, Any], key: str, before: Sequence[Any], wanted: Sequence[Any], now: Sequence[Any], schema: Schema
) -> None:
    if not schema.merge_key:
        added = [item for item in wanted if item not in now]
        dropped = [item for item in before if item not in wanted and item in now]
        if added:
            patch[key] = added
        if dropped:
            patch[f"$deleteFromPrimitiveList/{key}"] = dropped
        if added or dropped:
            patch[f"$setElementOrder/{key}"] = list(wanted)
        return
    name = schema.merge_key
    existing, previous = _by_key(now, name), _by_key(before, name)
    if len(_by_key(wanted, name)) != len(wanted):
        # items that lack the key, or share one, cannot be told apart: the server says what it thinks of the whole list
        if wanted != now:
            patch[key] = list(wanted)
        return
    items: list[Any] = []
    for item in wanted:
        there = existing.get(item[name])
        if there is None:
            items.append(item)
            continue
        inner = _map(previous.get(item[name], {}), item, there, schema.items)
        if inner:
            if "retainKeys" in schema.patch_strategy:
                inner["$retainKeys"] = sorted(item)
            items.append({name: item[name], **inner})
    keep = {item[name] for item in wanted}
    dropped = [value for value in previous if value not in keep and value in existing]
    items += [{"$patch": "delete", name: value} for value in dropped]
    order = [item[name] for item in wanted]
    reordered = [value for value in existing if value in keep] != [value for value in order if value in existing]
    if items or reordered:
        if items:
            patch[key] = items
        patch[f"$setElementOrder/{key}"] = [{name: value} for value in order]


def _by_key(items: Sequence[Any], name: str) -> dict[Any, Any]:
    return {item[name]: item for item in items if isinstance(item, dict) and item.get(name) is not None}
