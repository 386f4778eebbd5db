"""kubectl's JSONPath: templates of text and `{expressions}` over an object.

    {.items[*].metadata.name}      {range .items[*]}{.metadata.name}{"\\n"}{end}
    {.status.conditions[?(@.type=="Ready")].status}      {..image}      {.items[-1:]}      {['kind', 'apiVersion']}

The grammar is that of https://kubernetes.io/docs/reference/kubectl/jsonpath/. `parse` answers a template once, and
`Template.render` prints any number of objects with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson


class JsonPathError(ValueError):
    """The template does not parse, or names a field that the object lacks."""


@dataclass(frozen=True, slots=True)
class _Text:
    """Literal text; inside a filter, a literal of any JSON scalar."""

    text: Any


@dataclass(frozen=True, slots=True)
class _Field:
    name: str


@dataclass(frozen=True, slots=True)
class _Wildcard:
    pass


@dataclass(frozen=True, slots=True)
class _Recursive:
    pass


@dataclass(frozen=True, slots=True)
class _Below:
    """A field after `..`: whatever lacks it is passed over."""

    name: str


@dataclass(frozen=True, slots=True)
class _Slice:
    start: int | None
    end: int | None
    step: int


@dataclass(frozen=True, slots=True)
class _Filter:
    left: tuple[Any, ...]
    operator: str
    right: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Union:
    branches: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class _Path:
    """An expression: the steps of one path. `root` starts at `$`, not at the current object."""

    steps: tuple[Any, ...]
    root: bool = False


@dataclass(frozen=True, slots=True)
class _Range:
    path: _Path
    body: tuple[Any, ...]


class Template:
    """A parsed template."""

    def __init__(self, nodes: Sequence[Any], *, allow_missing: bool) -> None:
        self._nodes = nodes
        self._allow_missing = allow_missing

    def render(self, obj: Any) -> str:
        """The text for one object. Raises JsonPathError for a field it lacks, unless missing keys are allowed."""
        return "".join(self._render(self._nodes, obj, obj))

    def values(self, obj: Any) -> list[Any]:
        """What the paths of the template select, unprinted; for custom columns, sorting and waiting."""
        found: list[Any] = []
        for node in self._nodes:
            if isinstance(node, _Path):
                found += self._select(node, obj, obj)
        return found

    def _render(self, nodes: Iterable[Any], current: Any, root: Any) -> Iterable[str]:
        for node in nodes:
            match node:
                case _Text(text):
                    yield text
                case _Range(path, body):
                    for item in self._select(path, current, root):
                        yield from self._render(body, item, root)
                case _Path():
                    yield " ".join(printed(value) for value in self._select(node, current, root))

    def _select(self, path: _Path, current: Any, root: Any) -> list[Any]:
        values = [root if path.root else current]
        for step in path.steps:
            values = self._step(step, values, root)
        return values

    def _step(self, step: Any, values: list[Any], root: Any) -> list[Any]:
        match step:
            case _Field(name):
                return [found for value in values for found in self._field(name, value)]
            case _Below(name):
                return [value[name] for value in values if isinstance(value, dict) and name in value]
            case _Wildcard():
                return [child for value in values for child in _children(value)]
            case _Recursive():
                return [below for value in values for below in _descend(value)]
            case _Slice():
                return [item for value in values for item in _slice(step, value)]
            case _Filter():
                return [item for value in values for item in self._filter(step, value, root)]
            case _Union(branches):
                return [
                    found
                    for branch in branches
                    for value in values
                    for found in self._select(_Path(branch), value, root)
                ]
            case _Text(text):
                return [text]
        raise AssertionError(f"unknown step {step!r}")

    def _field(self, name: str, value: Any) -> list[Any]:
        if isinstance(value, dict) and name in value:
            return [value[name]]
        if self._allow_missing:
            return []
        raise JsonPathError(f"{name} is not found")

    def _filter(self, step: _Filter, value: Any, root: Any) -> Iterable[Any]:
        lenient = Template((), allow_missing=True)
        for item in value if isinstance(value, list) else _children(value):
            left = lenient._select(_Path(step.left), item, root)
            if step.operator == "exists":
                if left:
                    yield item
                continue
            right = lenient._select(_Path(step.right), item, root)
            if left and right and _compare(left[0], step.operator, right[0]):
                yield item


def parse(text: str, *, allow_missing: bool = True) -> Template:
    """A template. Text without braces is taken as one expression, as kubectl's relaxed form. Raises JsonPathError."""
    nodes, rest = _nodes(text, 0, inside_range=False)
    if rest != len(text):
        raise JsonPathError(f"unexpected text at {rest}: {text[rest:]}")
    return Template(nodes, allow_missing=allow_missing)


def relaxed(text: str) -> str:
    """`metadata.name`, `.metadata.name` and `{.metadata.name}` are one path. Raises JsonPathError."""
    found = re.fullmatch(r"\{?(.*?)\}?", text.strip(), re.DOTALL)
    inner = found.group(1) if found else text
    if not inner or text.count("{") > 1:
        raise JsonPathError(
            f"unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{{name1.name2}}' or "
            f"'{{.name1.name2}}', got {text!r}"
        )
    return f"{{{inner if inner.startswith(('.', '[', '$', '@')) else '.' + inner}}}"


def printed(value: Any) -> str:
    """A value as kubectl prints it in a template."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case str():
            return value
        case dict() | list():
            return orjson.dumps(value).decode()
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


def _nodes(text: str, at: int, *, inside_range: bool) -> tuple[list[Any], int]:
    nodes: list[Any] = []
    while at < len(text):
        brace = text.find("{", at)
        if brace < 0:
            brace = len(text)
        if brace > at:
            nodes.append(_Text(text[at:brace]))
            at = brace
            continue
        end = _closing(text, at)
        inner = text[at + 1 : end].strip()
        at = end + 1
        if inner == "end":
            if not inside_range:
                raise JsonPathError("not in range, nothing to end")
            return nodes, at
        if inner.startswith("range ") or inner == "range":
            body, at = _nodes(text, at, inside_range=True)
            nodes.append(_Range(_expression(inner[len("range") :].strip()), tuple(body)))
        elif inner[:1] in ('"', "'"):
            nodes.append(_Text(_unquote(inner)))
        else:
            nodes.append(_expression(inner))
    if inside_range:
        raise JsonPathError("unclosed range: {end} is missing")
    return nodes, at


def _closing(text: str, at: int) -> int:
    quote = ""
    for index in range(at + 1, len(text)):
        char = text[index]
        if quote:
            if char == quote and text[index - 1] != "\\":
                quote = ""
        elif char in "\"'":
            quote = char
        elif char == "}":
            return index
    raise JsonPathError("unclosed action")


_STEP = re.compile(
    r"""(?P<recursive>\.\.)
      | \.?\[\s*(?P<bracket>\?\((?:[^()'"]|'[^']*'|"[^"]*"|\([^()]*\))*\)|(?:[^\]'"]|'[^']*'|"[^"]*")*)\s*\]
      | \.(?P<star>\*)
      | \.(?P<field>(?:\\.|[^\s.\[\]{}()=!<>,|'"])+)
      | (?P<bare>(?:\\.|[^\s.\[\]{}()=!<>,|'"$@])(?:\\.|[^\s.\[\]{}()=!<>,|'"])*)""",
    re.VERBOSE,
)


def _expression(text: str) -> _Path:
    root = text.startswith("$")
    rest = text[1:] if text[:1] in ("$", "@") else text
    return _Path(_steps(rest, text), root)


def _steps(rest: str, whole: str) -> tuple[Any, ...]:
    steps: list[Any] = []
    at = 0
    if rest == ".":
        return ()
    while at < len(rest):
        found = _STEP.match(rest, at)
        if found is None or (found.group("bare") and steps and not isinstance(steps[-1], _Recursive)):
            raise JsonPathError(f"unrecognized character in action at {rest[at:]!r} of {whole!r}")
        at = found.end()
        if found.group("recursive"):
            steps.append(_Recursive())
        elif found.group("star"):
            steps.append(_Wildcard())
        elif found.group("bracket") is not None:
            steps.append(_bracket(found.group("bracket"), whole))
        else:
            name = found.group("field") or found.group("bare")
            after_descent = bool(steps) and isinstance(steps[-1], _Recursive)
            field = re.sub(r"\\(.)", r"\1", name)
            steps.append(_Wildcard() if name == "*" else _Below(field) if after_descent else _Field(field))
    return tuple(steps)


def _bracket(text: str, whole: str) -> Any:
    if text == "*":
        return _Wildcard()
    if text.startswith("?("):
        return _condition(text[2:-1].strip(), whole)
    parts = [part.strip() for part in re.findall(r"""(?:[^,'"]|'[^']*'|"[^"]*")+""", text)]
    if not parts:
        raise JsonPathError(f"empty brackets in {whole!r}")
    branches = tuple(_index(part, whole) for part in parts)
    return branches[0][0] if len(branches) == 1 and len(branches[0]) == 1 else _Union(branches)


def _index(text: str, whole: str) -> tuple[Any, ...]:
    if text[:1] in "'\"":
        # dots inside the quotes separate fields unless escaped, as in kubectl
        return tuple(_Field(name.replace("\\.", ".")) for name in re.split(r"(?<!\\)\.", text[1:-1]))
    if found := re.fullmatch(r"(-?\d+)?\s*(:)?\s*(-?\d+)?\s*(?::\s*(-?\d+))?", text):
        start, colon, end, step = found.groups()
        if not colon:
            number = int(start)
            return (_Slice(number, number + 1 if number != -1 else None, 0),)
        if step is not None and int(step) < 1:
            raise JsonPathError("step must be > 0")
        return (_Slice(int(start) if start else None, int(end) if end else None, int(step or 1)),)
    return _steps(text, whole)


def _condition(text: str, whole: str) -> _Filter:
    found = re.fullmatch(r"""((?:[^=!<>'"]|'[^']*'|"[^"]*")+?)\s*(==|!=|<=|>=|<|>)\s*(.+)""", text, re.DOTALL)
    if found is None:
        return _Filter(_operand(text, whole), "exists", ())
    return _Filter(_operand(found.group(1), whole), found.group(2), _operand(found.group(3), whole))


def _operand(text: str, whole: str) -> tuple[Any, ...]:
    text = text.strip()
    if text[:1] in "'\"":
        return (_Text(_unquote(text)),)
    if text in ("true", "false"):
        return (_Text(text == "true"),)
    try:
        return (_Text(float(text) if "." in text else int(text)),)
    except ValueError:
        return _expression(text).steps


def _unquote(text: str) -> str:
    if len(text) < 2 or text[-1] != text[0]:
        raise JsonPathError(f"unterminated quoted string {text}")
    escapes = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda found: escapes.get(found.group(1), found.group(1)), text[1:-1])


def _children(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return []


def _descend(value: Any) -> Iterable[Any]:
    yield value
    for child in _children(value):
        yield from _descend(child)


def _slice(step: _Slice, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise JsonPathError(f"{type(value).__name__} is not array or slice")
    if step.step:
        return value[step.start : step.end : step.step]
    assert step.start is not None, "a single index always has a start"
    if not -len(value) <= step.start < len(value):
        raise JsonPathError(f"array index out of bounds: index {step.start}, length {len(value)}")
    return [value[step.start]]


def _compare(left: Any, operator: str, right: Any) -> bool:
    if isinstance(left, bool) != isinstance(right, bool) or isinstance(left, str) != isinstance(right, str):
        left, right = printed(left), printed(right)
    try:
        outcome = {
            "==": lambda: left == right,
            "!=": lambda: left != right,
            "<": lambda: left < right,
            "<=": lambda: left <= right,
            ">": lambda: left > right,
            ">=": lambda: left >= right,
        }[operator]()
    except TypeError as error:
        raise JsonPathError(f"cannot compare {printed(left)} with {printed(right)}") from error
    return bool(outcome)
