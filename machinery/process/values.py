"""Values of settings: from a flag's text or a file's value to a field's type, and back to text for the help."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_DURATIONS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}


def split(value: str) -> list[str]:
    """The items of a comma-separated list."""
    return [part.strip() for part in value.split(",") if part.strip()]


def without_none(hint: Any) -> Any:
    """The type without ``| None``."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not types.NoneType]
        if len(options) == 1:
            return options[0]
    return hint


def convert(raw: Any, hint: Any, unit: str | None) -> Any:
    """A flag's text or a file's value as the field's type; raises ``ValueError`` with what is wrong."""
    plain = without_none(hint)
    if raw is None:
        if plain is hint:
            raise ValueError("must not be empty")
        return None
    origin, arguments = typing.get_origin(plain), typing.get_args(plain)
    if origin is tuple:
        items = split(raw) if isinstance(raw, str) else raw
        if not isinstance(items, list):
            raise ValueError(f"must be a list, not {raw!r}")
        return tuple(convert(item, arguments[0], unit) for item in items)
    if origin in (dict, Mapping):
        return {str(key): convert(item, arguments[1], unit) for key, item in _pairs(raw)}
    if origin is typing.Literal:
        for choice in arguments:
            if str(choice) == str(raw):
                return choice
        raise ValueError(f"must be one of {', '.join(map(str, arguments))}, not {raw!r}")
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        for member in plain:
            if raw in (member.value, member.name) or str(member.value) == str(raw):
                return member
        raise ValueError(f"must be one of {', '.join(str(member.value) for member in plain)}, not {raw!r}")
    if plain is bool:
        return _boolean(raw)
    if plain in (int, float):
        return _number(raw, plain, unit)
    if isinstance(raw, (dict, list)):
        raise ValueError(f"must be a single value, not {raw!r}")
    if plain is str:
        return str(raw)
    if plain is Path:
        return Path(str(raw)).expanduser()
    raise TypeError(f"settings of type {plain!r} are not supported")


def _pairs(raw: Any) -> list[tuple[str, Any]]:
    if isinstance(raw, dict):
        return list(raw.items())
    pairs = []
    for item in split(raw) if isinstance(raw, str) else raw:
        key, equals, value = str(item).partition("=")
        if not equals or not key:
            raise ValueError(f"must be KEY=VALUE, not {item!r}")
        pairs.append((key, value))
    return pairs


def _boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"must be true or false, not {raw!r}")


def _number(raw: Any, kind: type, unit: str | None) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
        raise ValueError(f"must be a number, not {raw!r}")
    text = str(raw).strip()
    scale: float = 1
    if isinstance(raw, str) and unit in ("s", "bytes"):
        digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        suffix = text[len(digits) :]
        table: Mapping[str, float] = {**_DURATIONS, "": 1.0} if unit == "s" else _SIZES
        lookup = suffix.removesuffix("B") if unit == "bytes" else suffix
        if lookup not in table:
            raise ValueError(f"has the unknown unit {suffix!r}: use one of {', '.join(filter(None, table))}")
        text, scale = digits, table[lookup]
    try:
        number = float(text) if kind is float or "." in text else int(text)
    except ValueError:
        raise ValueError(f"must be a {'whole ' if kind is int else ''}number, not {raw!r}") from None
    result = number * scale
    if kind is int:
        if result != int(result):
            raise ValueError(f"must be a whole number, not {raw!r}")
        return int(result)
    return float(result)


def placeholder(hint: Any) -> str:
    """What stands for a value of this type in the help."""
    plain = without_none(hint)
    origin, arguments = typing.get_origin(plain), typing.get_args(plain)
    if origin is tuple:
        return placeholder(arguments[0])
    if origin in (dict, Mapping):
        return "KEY=VALUE"
    if origin is typing.Literal:
        return "|".join(map(str, arguments))
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        return "|".join(str(member.value) for member in plain)
    return {int: "N", float: "N", Path: "PATH"}.get(plain, "TEXT")


def shown(value: Any) -> str:
    """A default value as the help shows it."""
    match value:
        case None | () | "":
            return "none"
        case bool():
            return str(value).lower()
        case enum.Enum():
            return str(value.value)
        case tuple():
            return ",".join(map(shown, value))
        case dict():
            return ",".join(f"{key}={shown(item)}" for key, item in value.items()) or "none"
        case float():
            return f"{value:g}"
    return str(value)
