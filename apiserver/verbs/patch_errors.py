"""What a patch that does not fit is answered: upstream tells patches apart from whole objects, in words of its own.

Rules and texts: kube-apiserver `endpoints/handlers/patch.go` (applyPatchToObject and its sisters), the unstructured
converter of apimachinery, which reads what a strategic merge patch leaves. What is wrong with an applied configuration
is in `typed_config.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.verbs.decode import Undecodable
from apiserver.verbs.typed_config import go_text
from machinery.client.api import PatchType
from machinery.errors import ApiError, FieldError, invalid
from machinery.objects.gvk import GVK, split_api_version
from machinery.schema.decode import DecodeError

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


def untyped(config: dict[str, Any], why: Sequence[str]) -> ApiError:
    """The answer to an applied configuration that does not follow the schema, whatever fieldValidation says.

    Upstream has no reason for it and the code 500, though the fault is the client's."""
    metadata = config.get("metadata") or {}
    group, version = split_api_version(config["apiVersion"])
    what = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {group}/{version}, Kind={config['kind']}"
    said = why[0] if len(why) == 1 else "errors:\n" + "\n".join(f"  {each}" for each in why)
    return ApiError(f"failed to create typed patch object ({what}): {said}", code=500, reason="")
