"""Sets of field paths in the form of `managedFields[].fieldsV1`, and the algebra that ownership needs.

A set is a trie of dicts. Keys are path elements: `f:name` (a field), `k:{"name":"a"}` (an item by its keys), `v:"x"`
(an item by its value). A leaf `{}` is a member; an inner node is a member when it has the key `.`. Sets are never
changed in place. Rule: structured-merge-diff's fieldpath, and the API's FieldsV1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

FieldSet = dict[str, Any]
Path = tuple[str, ...]

MEMBER = "."
EMPTY: FieldSet = {}


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """The members of either."""
    result = dict(left)
    for key, sub in right.items():
        if key not in result:
            result[key] = sub
        elif key != MEMBER:
            result[key] = _union_below(result[key], sub)
    return result


def _union_below(left: FieldSet, right: FieldSet) -> FieldSet:
    if not left and not right:
        return EMPTY
    return union(left or {MEMBER: {}}, right or {MEMBER: {}})


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """The members of `left` that are not in `right`."""
    result: FieldSet = {}
    for key, sub in left.items():
        if key not in right:
            result[key] = sub
        elif key != MEMBER:
            rest = difference(sub or {MEMBER: {}}, right[key] or {MEMBER: {}})
            if rest:
                result[key] = EMPTY if rest == {MEMBER: {}} else rest
    return result


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """The members of both."""
    result: FieldSet = {}
    for key, sub in left.items():
        if key not in right:
            continue
        if key == MEMBER:
            result[key] = EMPTY
            continue
        both = intersection(sub or {MEMBER: {}}, right[key] or {MEMBER: {}})
        if both:
            result[key] = EMPTY if both == {MEMBER: {}} else both
    return result


def without_below(fields: FieldSet, path: Path) -> FieldSet:
    """The set without the member at `path` and everything below it."""
    head, *rest = path
    if head not in fields:
        return fields
    result = {key: sub for key, sub in fields.items() if key != head}
    if rest and (kept := without_below(fields[head], tuple(rest))):
        result[head] = kept
    return result


def paths(fields: FieldSet) -> Iterator[Path]:
    """Every member's path, in the order of the trie."""
    for key, sub in fields.items():
        if key == MEMBER:
            yield ()
        elif not sub:
            yield (key,)
        else:
            for path in paths(sub):
                yield (key, *path)


def field(name: str) -> str:
    """The path element of a field or a map's key."""
    return f"f:{name}"


def item_by_keys(keys: dict[str, Any]) -> str:
    """The path element of an item of a keyed list."""
    return "k:" + orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def item_by_value(value: Any) -> str:
    """The path element of an item of a set."""
    return "v:" + orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def show(path: Path) -> str:
    """A path as conflicts name it: `.spec.containers[name="a"].image`."""
    text = ""
    for element in path:
        kind, body = element[:2], element[2:]
        if kind == "k:":
            keys = orjson.loads(body)
            text += f"[{','.join(f'{key}={orjson.dumps(value).decode()}' for key, value in keys.items())}]"
        elif kind == "v:":
            text += f"[={body}]"
        else:
            text += f".{body}"
    return text
