"""JSON Merge Patch, RFC 7386: objects merge by key, null removes a key, anything else replaces."""

from __future__ import annotations

from typing import Any


def apply(target: Any, patch: Any) -> Any:
    """The patched document. Neither argument is changed; the result may share parts with both."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply(result.get(key), value)
    return result


def diff(before: Any, after: Any) -> Any:
    """The smallest merge patch that turns `before` into `after`; {} when they are equal objects.

    A null inside `after` cannot be said by a merge patch and is left out, as the API leaves nulls out.
    """
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key not in before:
            patch[key] = value
        elif before[key] != value or type(before[key]) is not type(value):
            patch[key] = diff(before[key], value)
    return patch
