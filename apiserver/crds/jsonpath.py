"""The simple JSONPaths that a CustomResourceDefinition names: columns, selectable fields, scale.

Fields (`.spec.replicas`, `['a.b']`, `.metadata.labels.a\\.b`), indices (`[0]`, `[-1]`), all items (`[*]`) and one
equality filter (`[?(@.type=="Ready")]`): what Kubernetes takes there and its users write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

Step = Callable[[Any], Iterable[Any]]

_TOKEN = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\\])+)
    | \[(?P<index>-?\d+)\]
    | \[(?P<all>\*)\]
    | \[['"](?P<quoted>[^'"]*)['"]\]
    | \[\?\(@(?P<filter>\.[^=!<>\s]+)\s*==\s*(?P<value>"[^"]*"|'[^']*'|[\w.-]+)\s*\)\]""",
    re.VERBOSE,
)


class JsonPathError(ValueError):
    """The path is not one of the kind that is understood here."""


def compile_path(path: str) -> Callable[[Any], list[Any]]:
    """A function from an object to the values that the path leads to. Raises JsonPathError."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    text = text if text.startswith((".", "[")) else f".{text}"
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise JsonPathError(f"cannot read {path!r} from {text[at:]!r} on")
        steps.append(_step(match))
        at = match.end()

    def find(obj: Any) -> list[Any]:
        values = [obj]
        for step in steps:
            values = [found for value in values for found in step(value)]
        return values

    return find


def _step(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        return _index(int(match["index"]))
    if match["all"]:
        return _items
    if match["filter"]:
        return _filter(match["filter"], match["value"].strip("'\""))
    name = match["quoted"] if match["quoted"] is not None else re.sub(r"\\(.)", r"\1", match["field"])
    return _items if name == "*" else _field(name)


def _field(name: str) -> Step:
    return lambda value: (value[name],) if isinstance(value, dict) and name in value else ()


def _index(index: int) -> Step:
    return lambda value: value[index:][:1] if isinstance(value, list) and -len(value) <= index else ()


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _filter(path: str, wanted: str) -> Step:
    find = compile_path(path)

    def step(value: Any) -> Iterable[Any]:
        return [each for each in _items(value) if any(_text(found) == wanted for found in find(each))]

    return step


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
