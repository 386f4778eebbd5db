"""Objects as YAML and JSON, byte for byte as kubectl prints them."""

from __future__ import annotations

import json
from typing import Any

import orjson

from machinery import manifest


def to_json(obj: Any) -> str:
    """Four spaces, sorted keys, a newline at the end; `<`, `>` and `&` escaped as Go's encoder does."""
    text = json.dumps(obj, indent=4, sort_keys=True, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026") + "\n"


def to_yaml(obj: Any) -> str:
    """Sorted keys, two spaces, lists not indented, strings quoted where YAML would read something else."""
    return manifest.dump(obj)


def compact(obj: Any) -> bytes:
    """One line of JSON."""
    return orjson.dumps(obj)
