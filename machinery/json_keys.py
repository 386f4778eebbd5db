"""Keys that a JSON text has twice in one object: JSON allows them, strict decoding tells of them."""

from __future__ import annotations

from typing import Any

_TWICE = "\0twice"


def duplicate_keys(text: str | bytes) -> list[str]:
    """The paths of keys that a JSON text has twice in one object (`spec.replicas`), for strict decoding."""
    import json  # orjson keeps the last of them and does not tell

    found: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        twice: list[str] = []
        for key, value in items:
            if key in result and key not in twice:
                twice.append(key)
            result[key] = value
        if twice:
            result[_TWICE] = twice
        return result

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            found.extend(f"{path}.{key}" if path else key for key in value.pop(_TWICE, ()))
            for key, each in value.items():
                walk(each, f"{path}.{key}" if path else key)
        elif isinstance(value, list):
            for index, each in enumerate(value):
                walk(each, f"{path}[{index}]")

    walk(json.loads(text, object_pairs_hook=pairs), "")
    return found
