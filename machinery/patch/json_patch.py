"""JSON Patch, RFC 6902, with JSON Pointers of RFC 6901.

All operations or none: the document that was given stays as it is. Upstream's library fails to remove what is absent
and takes `test` of an absent path against null as equal; so do we.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from machinery.patch.errors import PatchFailed, PatchMalformed

MAX_OPERATIONS = 10_000
"""What upstream's server takes in one patch."""
MAX_COPIED_BYTES = 3 * 1024 * 1024
"""How much all `copy` operations of a patch may add together: without a limit, each could double the document."""


def apply(document: Any, operations: Sequence[Any]) -> Any:
    """The patched document. Raises PatchMalformed for a bad operation and PatchFailed for one that does not fit."""
    if not isinstance(operations, list):
        raise PatchMalformed("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > MAX_OPERATIONS:
        raise PatchMalformed(
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        )
    root = {"": _copy(document)}  # the whole document is a member too, so that replacing it is no special case
    copied = 0
    for operation in operations:
        if not isinstance(operation, dict):
            raise PatchMalformed("json: cannot unmarshal into Go value of type jsonpatch.Operation")
        copied += _apply_one(root, operation)
        if copied > MAX_COPIED_BYTES:
            raise PatchFailed(
                "Unable to complete the copy, the accumulated size increase of copy is "
                f"{copied}, exceeding the limit {MAX_COPIED_BYTES}"
            )
    return root[""]


def parse_pointer(pointer: Any) -> list[str]:
    """The keys of a JSON Pointer; "" is the whole document. Raises PatchMalformed."""
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise PatchMalformed(f"invalid JSON pointer: {pointer!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _apply_one(root: dict[str, Any], operation: dict[str, Any]) -> int:
    """How many bytes were copied."""
    kind = operation.get("op")
    path = ["", *parse_pointer(operation.get("path"))]
    if kind in ("add", "replace", "test") and "value" not in operation:
        raise PatchMalformed(f"{kind} operation is missing its value: {operation.get('path')}")
    match kind:
        case "add":
            _add(root, path, _copy(operation["value"]))
        case "remove":
            _remove(root, path, "remove")
        case "replace":
            container, key = _find(root, path, "replace")
            container[key] = _copy(operation["value"])
        case "move":
            source = ["", *parse_pointer(operation.get("from"))]
            if path[: len(source)] == source and path != source:
                raise PatchFailed(f"move operation cannot move {operation.get('from')} into itself")
            _add(root, path, _remove(root, source, "move"))
        case "copy":
            container, key = _find(root, ["", *parse_pointer(operation.get("from"))], "copy")
            text = _dumped(container[key])
            _add(root, path, orjson.loads(text))
            return len(text)
        case "test":
            _test(root, path, operation)
        case _:
            raise PatchMalformed(f"Unexpected kind: {kind}")
    return 0


def _add(root: dict[str, Any], path: list[str], value: Any) -> None:
    container = _container(root, path, "add")
    key = path[-1]
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(key, len(container) + 1, "add", path), value)


def _remove(root: dict[str, Any], path: list[str], kind: str) -> Any:
    container, key = _find(root, path, kind)
    return container.pop(key)


def _test(root: dict[str, Any], path: list[str], operation: dict[str, Any]) -> None:
    wanted = operation["value"]
    try:
        container, key = _find(root, path, "test")
        found = container[key]
    except PatchFailed:
        if wanted is not None:
            raise
        return
    if not _equal(found, wanted):
        raise PatchFailed(f"testing value {operation['path']} failed: test failed")


def _find(root: dict[str, Any], path: list[str], kind: str) -> tuple[Any, Any]:
    """The container of an existing member and its key there."""
    container = _container(root, path, kind)
    key: Any = path[-1]
    if isinstance(container, list):
        return container, _index(key, len(container), kind, path)
    if key not in container:
        raise PatchFailed(f"{kind} operation does not apply: doc is missing key: {_text(path)}: missing value")
    return container, key


def _container(root: dict[str, Any], path: list[str], kind: str) -> Any:
    current: Any = root
    for key in path[:-1]:
        if isinstance(current, list):
            current = current[_index(key, len(current), kind, path)]
        elif isinstance(current, dict) and key in current:
            current = current[key]
        else:
            raise PatchFailed(f"{kind} operation does not apply: doc is missing path: {_text(path)}: missing value")
    if not isinstance(current, dict | list):
        raise PatchFailed(f"{kind} operation does not apply: doc is missing path: {_text(path)}: missing value")
    return current


def _index(key: str, length: int, kind: str, path: list[str]) -> int:
    if not (key.isascii() and key.isdecimal()) or (len(key) > 1 and key[0] == "0"):
        raise PatchFailed(f"{kind} operation does not apply: invalid array index {key!r}: {_text(path)}")
    if int(key) >= length:
        raise PatchFailed(f"{kind} operation does not apply: Unable to access invalid index: {key}: {_text(path)}")
    return int(key)


def _equal(left: Any, right: Any) -> bool:
    """Equality of JSON, where true is not 1."""
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right)


def _text(path: list[str]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path[1:])


def _copy(value: Any) -> Any:
    return orjson.loads(_dumped(value)) if isinstance(value, dict | list) else value


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:  # it has become too deep
        raise PatchFailed(str(error)) from None
