"""What a patch that does not fit is answered: upstream tells patches apart from whole objects, in words of its own.

Rules and texts: kube-apiserver `endpoints/handlers/patch.go` (applyPatchToObject and its sisters), the unstructured
converter of apimachinery, which reads what a strategic merge patch leaves, and structured-merge-diff's `typed` and
`schema` packages, which read what is applied on the server's side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from apiserver.verbs.decode import Undecodable
from machinery.client.api import PatchType
from machinery.errors import ApiError, FieldError, invalid
from machinery.objects.gvk import GVK, split_api_version
from machinery.schema.decode import DecodeError
from machinery.schema.model import Schema

_NOTHING = GVK("", "", "")
_GO_KINDS = {bool: "bool", int: "int64", float: "float64", str: "string"}


def unprocessable() -> ApiError:
    """The 422 for a good JSON patch that does not apply. Upstream keeps the reason to itself."""
    return ApiError("the server rejected our request due to an error in our request", code=422, reason="Invalid")


def undecodable(error: Undecodable, patch_type: PatchType, patch: Any, patched: bytes) -> ApiError:
    """The 422 for a patch that leaves no object of the kind. patch: its document; patched: what it left, as JSON."""
    why = error.why
    if patch_type is not PatchType.STRATEGIC:
        return invalid(_NOTHING, "", [FieldError.invalid("patch", patched.decode(), why)])
    if isinstance(error.__cause__, DecodeError):
        why = _unconvertible(error.__cause__)
    return invalid(_NOTHING, "", [FieldError.invalid("patch", go_text(patch), why)])


def _unconvertible(error: DecodeError) -> str:
    """The words of the converter that reads JSON values into typed fields."""
    wanted, value = error.go_type, error.value
    kind = _GO_KINDS.get(type(value), "map" if isinstance(value, dict) else "slice")
    if not wanted:
        return str(error)
    if wanted.startswith("[]"):
        return f"cannot restore slice from {kind}"
    if wanted.startswith("map["):
        return f"cannot restore map from {kind}"
    if wanted == "string" and kind == "int64":
        return "cannot convert int64 to string"
    if wanted in ("bool", "string", "int32", "int64", "float64"):
        return f"unrecognized type: {wanted}"
    return f"cannot restore struct from: {kind}"


def go_text(value: Any) -> str:
    """A JSON value as Go's `%+v` prints it: `map[a:1 b:[x y]]`, keys in order."""
    match value:
        case dict():
            return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
        case list():
            return f"[{' '.join(map(go_text, value))}]"
        case str():
            return value
        case None:
            return "<nil>"
        case _:
            return orjson.dumps(value).decode()


def untyped(config: dict[str, Any], why: Sequence[str]) -> ApiError:
    """The answer to an applied configuration that does not follow the schema, whatever fieldValidation says.

    Upstream has no reason for it and the code 500, though the fault is the client's."""
    metadata = config.get("metadata") or {}
    group, version = split_api_version(config["apiVersion"])
    what = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {group}/{version}, Kind={config['kind']}"
    said = why[0] if len(why) == 1 else "errors:\n" + "\n".join(f"  {each}" for each in why)
    return ApiError(f"failed to create typed patch object ({what}): {said}", code=500, reason="")


def not_of_its_type(error: DecodeError) -> str:
    """A wrong type, as structured-merge-diff words it."""
    value, wanted = error.value, error.go_type
    kind = _GO_KINDS.get(type(value), "map[string]interface {}" if isinstance(value, dict) else "[]interface {}")
    if wanted in ("int32", "int64", "float64"):
        expected = f"numeric (int or float), got {kind}"
    elif wanted == "string":
        expected = f"string, got &value.valueUnstructured{{Value:{go_text(value)}}}"
    elif wanted:
        expected = "list" if wanted.startswith("[]") else "boolean" if wanted == "bool" else "map"
        expected += f", got &{{{go_text(value)}}}"
    else:
        return str(error)
    return f".{error.dotted}: expected {expected}"


def shown(schema: Schema, config: Any, path: str) -> str:
    """A field's path as structured-merge-diff prints it: items of keyed lists by their keys, not by their place."""
    text, at, node = "", config, schema
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if name:
            text += f".{name}"
            at = at.get(name) if isinstance(at, dict) else None
            inner = node.child(name)
        else:
            at = at[int(index)] if isinstance(at, list) else None
            item = at if isinstance(at, dict) else {}
            keys = [f"{key}={orjson.dumps(item[key]).decode()}" for key in node.map_keys if key in item]
            text += f"[{','.join(keys) or index}]"
            inner = node.items
        if inner is None:
            continue
        node = inner
    return text
