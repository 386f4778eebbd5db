"""Strategic merge patch: a merge patch that knows which lists are sets and which are keyed by a field.

The schema says how each list merges (`patchStrategy: merge` with a merge key, or replace) and which fields a patch
replaces as a whole. Directives steer inside the patch:

- `$patch: replace | delete | merge` in a map, or in a list's item;
- `$deleteFromPrimitiveList/F: [...]` removes values of list F;
- `$setElementOrder/F: [...]` gives the order that list F shall have;
- `$retainKeys: [...]` removes all other keys of the map.

Rules: k8s.io/apimachinery `strategicpatch`, and the community's description of the format.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from machinery.patch.errors import NoMergeKey, PatchMalformed
from machinery.schema.model import Schema

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE_VALUES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def apply(target: dict[str, Any], patch: Any, schema: Schema) -> dict[str, Any]:
    """The patched object. Neither argument is changed. Raises PatchMalformed or PatchFailed."""
    if not isinstance(patch, dict):
        raise PatchMalformed(f"json: cannot unmarshal {_kind(patch)} into Go value of type map[string]interface {{}}")
    return _merge_map(target, patch, schema)


def _merge_map(target: dict[str, Any], patch: dict[str, Any], schema: Schema | None) -> dict[str, Any]:
    directive = patch.get(_PATCH)
    if directive == "replace":
        whole: dict[str, Any] = _without_directives(patch)
        return whole
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise PatchMalformed(f"invalid patch: unknown patch type: {directive}")
    result = dict(target)
    _retain(result, patch)
    for key, value in patch.items():
        if key in (_PATCH, _RETAIN) or key.startswith(_ORDER):
            continue
        if key.startswith(_DELETE_VALUES):
            field = key.removeprefix(_DELETE_VALUES)
            if isinstance(result.get(field), list) and field not in patch:
                result[field] = [each for each in result[field] if each not in _as_list(value, key)]
            continue
        if value is None:
            result.pop(key, None)
            continue
        child = schema.child(key) if schema else None
        result[key] = _merge_value(result.get(key), value, child, patch, key)
    for key in patch:
        field = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and field not in patch and isinstance(result.get(field), list):
            child = schema.child(field) if schema else None
            order = _as_list(patch[key], key)
            result[field] = _in_order(result[field], [], order, child.merge_key if child else "")
    return result


def _merge_value(current: Any, value: Any, schema: Schema | None, patch: dict[str, Any], key: str) -> Any:
    if isinstance(value, dict):
        if isinstance(current, dict) and not (schema is not None and "replace" in schema.patch_strategy):
            return _merge_map(current, value, schema)
        return _merge_map({}, value, schema)
    if isinstance(value, list):
        deleted = _as_list(patch.get(_DELETE_VALUES + key) or [], _DELETE_VALUES + key)
        order = patch.get(_ORDER + key)
        merging = schema is not None and "merge" in schema.patch_strategy
        if not merging or schema is None:
            return [_without_directives(item) for item in value]
        existing = current if isinstance(current, list) else []
        if schema.merge_key:
            return _merge_list(existing, value, schema, order)
        kept = [item for item in existing if item not in deleted]
        merged = [*kept, *(item for at, item in enumerate(value) if item not in kept and item not in value[:at])]
        return merged if order is None else _in_order(merged, value, order, "")
    return value


def _merge_list(current: list[Any], patch: list[Any], schema: Schema, order: Any) -> list[Any]:
    """Merge a list of maps by its merge key."""
    key, items = schema.merge_key, schema.items
    if any(isinstance(item, dict) and item.get(_PATCH) == "replace" for item in patch):
        return [_without_directives(item) for item in patch if set(item) != {_PATCH}]
    result = list(current)
    for item in patch:
        if not isinstance(item, dict):
            raise NoMergeKey(f"map: {item!r} does not contain declared merge key: {key}")
        if key not in item:
            raise NoMergeKey(f"map: {_go_map(item)} does not contain declared merge key: {key}")
        at = _position(result, key, item[key])
        if item.get(_PATCH) == "delete":
            result = [each for each in result if not (isinstance(each, dict) and each.get(key) == item[key])]
        elif at is None:
            result.append(_merge_map({}, item, items))
        else:
            result[at] = _merge_map(result[at], item, items)
    return result if order is None else _in_order(result, patch, _as_list(order, _ORDER), key)


def _in_order(merged: list[Any], patched: Sequence[Any], order: Sequence[Any], key: str) -> list[Any]:
    """The list with the items that `order` names in that order.

    An item that only the server has keeps its place relative to its neighbours: it comes after the same named item as
    before, or before all of them.
    """

    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    names = [name(each) for each in order]
    ordered = sorted((each for each in merged if name(each) in names), key=lambda each: names.index(name(each)))
    result = list(ordered)
    anchor: Any = None
    anchored: list[tuple[Any, Any]] = []  # (the named item before it, a server-only item)
    for each in merged:
        if name(each) in names:
            anchor = each
        else:
            anchored.append((anchor, each))
    for before, each in reversed(anchored):
        at = 0 if before is None else result.index(before) + 1
        result.insert(at, each)
    return result


def _retain(result: dict[str, Any], patch: dict[str, Any]) -> None:
    retained = patch.get(_RETAIN)
    if retained is None:
        return
    if not isinstance(retained, list):
        raise PatchMalformed(f"{_RETAIN} must be a list")
    for key, value in patch.items():
        if not key.startswith("$") and value is not None and key not in retained:
            raise PatchMalformed(f"invalid {_RETAIN}: {retained} does not contain {key}")
    for key in [each for each in result if each not in retained]:
        del result[key]


def _position(items: list[Any], key: str, value: Any) -> int | None:
    for at, item in enumerate(items):
        if isinstance(item, dict) and item.get(key) == value:
            return at
    return None


def _without_directives(value: Any) -> Any:
    """What a patch leaves where nothing was: its values, without nulls in maps and without directives."""
    if isinstance(value, dict):
        return {key: _without_directives(each) for key, each in value.items() if each is not None and key[:1] != "$"}
    if isinstance(value, list):
        return [_without_directives(each) for each in value]
    return value


def _as_list(value: Any, key: str) -> list[Any]:
    if not isinstance(value, list):
        raise PatchMalformed(f"{key} must be a list")
    return value


def _go_map(item: dict[str, Any]) -> str:
    return f"map[{' '.join(f'{key}:{value}' for key, value in sorted(item.items()))}]"


def _kind(value: Any) -> str:
    return {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
