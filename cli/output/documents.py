"""Objects as YAML and JSON, byte for byte as kubectl prints them."""

from __future__ import annotations

from typing import Any

import orjson
import yaml


def to_json(obj: Any) -> str:
    """Four spaces, sorted keys, a newline at the end; `<`, `>` and `&` escaped as Go's encoder does."""
    import json

    text = json.dumps(obj, indent=4, sort_keys=True, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026") + "\n"


def to_yaml(obj: Any) -> str:
    """Sorted keys, two spaces, lists not indented, strings quoted where YAML would read something else."""
    return str(yaml.dump(obj, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=2**31))


def compact(obj: Any) -> bytes:
    """One line of JSON."""
    return orjson.dumps(obj)


class _Dumper(yaml.CSafeDumper if hasattr(yaml, "CSafeDumper") else yaml.SafeDumper):  # type: ignore[misc]  # either base
    """The representers that YAML's own defaults lack."""


def _text(dumper: Any, text: str) -> Any:
    if "\n" in text and not any(line.endswith(" ") for line in text.split("\n")):
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    # PyYAML follows YAML 1.1; kubectl's writer also quotes what only other readers take for a number or a bool
    style = '"' if text in _AMBIGUOUS or _looks_numeric(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_AMBIGUOUS = frozenset(
    {"", "~", "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"}
    | {"true", "True", "TRUE", "false", "False", "FALSE", "null", "Null", "NULL"}
)


def _looks_numeric(text: str) -> bool:
    if not text[:1].isdigit() and text[:1] not in "+-.":
        return False
    try:
        float(text.replace("_", ""))
    except ValueError:
        return text.startswith(("0x", "0o", "0b")) or text in (".inf", "-.inf", ".nan") or _timestamp(text)
    return True


def _timestamp(text: str) -> bool:
    return len(text) >= 10 and text[4:5] == "-" and text[7:8] == "-" and text[:4].isdigit()


_Dumper.add_representer(str, _text)
_Dumper.ignore_aliases = lambda self, data: True  # objects share parts; YAML must not
