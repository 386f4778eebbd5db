"""Manifests: YAML and JSON texts with any number of documents, read by the rules that Kubernetes users rely on.

What sigs.k8s.io/yaml does: of YAML 1.1's implicit types only those that JSON has. `yes`, `on`, `no` and `off` are
booleans (they were in the YAML that users' tools speak), `0o17` and `017` are octal, `1_000` is a number, dates stay
text (JSON has none), keys become text, a key twice in one map is an error. Dumps quote whatever another reader might
take for something else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson
import yaml

from machinery.json_text import MAX_DEPTH

_BOOLEANS = {
    "true": True, "True": True, "TRUE": True, "yes": True, "Yes": True, "YES": True, "on": True, "On": True, "ON": True,
    "false": False, "False": False, "FALSE": False, "no": False, "No": False, "NO": False,
    "off": False, "Off": False, "OFF": False, "y": True, "Y": True, "n": False, "N": False,
}  # fmt: skip
_ALIASED = 1000
_LONE_LETTERS = frozenset("yYnN")
_INT = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|(?:0|[1-9][0-9_]*))")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?")


class ManifestError(ValueError):
    """The text is no manifest. `line` counts from 1; 0 when it is not known."""

    def __init__(self, message: str, *, source: str = "", line: int = 0) -> None:
        where = f"{source or 'manifest'}:{line}: " if line else (f"{source}: " if source else "")
        super().__init__(where + message)
        self.message = message
        self.source = source
        self.line = line


def load_all(text: str | bytes, *, source: str = "") -> list[dict[str, Any]]:
    """Every object of a manifest, in order; empty documents are skipped, `kind: List` and `...List` are not opened.

    source: what errors call the text, a file's name. Raises ManifestError, with the line.
    """
    objects = []
    for line, document in documents(text, source=source):
        if document is None:
            continue
        if not isinstance(document, dict):
            raise ManifestError(f"expected an object, found {_kind(document)}", source=source, line=line)
        objects.append(document)
    return objects


def load(text: str | bytes, *, source: str = "") -> Any:
    """The one document of a text; None for an empty one. Raises ManifestError, also when there are more."""
    found = [document for _, document in documents(text, source=source)]
    if len(found) > 1:
        raise ManifestError(f"expected one document, found {len(found)}", source=source)
    return found[0] if found else None


def load_lax(text: str | bytes) -> tuple[Any, list[str]]:
    """The first document of a YAML text, as a server reads a request's body, and what a strict reader holds against it:
    each key that a map has twice (`line 3: key "a" already set in map`). The last of such keys counts.

    Raises ManifestError, worded as Go's reader of YAML words it (`yaml: line 2: did not find expected key`)."""
    twice: list[str] = []
    try:
        for _, document in _composed(_text(text, ""), "", twice):
            return document, twice
    except yaml.MarkedYAMLError as error:
        # It counts lines from 0, but for what the scanner finds.
        mark = error.problem_mark or error.context_mark
        line = mark.line + isinstance(error, yaml.scanner.ScannerError) if mark is not None else 0
        where = f"line {line}: " if line else ""
        raise ManifestError(f"yaml: {where}{error.problem}", line=line) from None
    except yaml.YAMLError as error:
        raise ManifestError(f"yaml: {error}") from None
    except ManifestError as error:
        raise ManifestError(f"yaml: {error.message}", line=error.line) from None
    return None, twice


def documents(text: str | bytes, *, source: str = "") -> Iterator[tuple[int, Any]]:
    """(first line, value) of every document. A text that starts with `{` or `[` and is JSON is read as such."""
    text = _text(text, source)
    if text.lstrip()[:1] in ("{", "["):
        try:
            yield 1, orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # flow-style YAML, several JSON documents, or an error that YAML tells with its line
        else:
            return
    try:
        yield from _composed(text, source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(filter(None, (error.context, error.problem)))
        line = mark.line + 1 if mark is not None else 0
        raise ManifestError(f"error converting YAML to JSON: {said}", source=source, line=line) from None
    except yaml.YAMLError as error:
        raise ManifestError(f"error converting YAML to JSON: {error}", source=source) from None


def _text(text: str | bytes, source: str) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ManifestError("the text is not UTF-8", source=source, line=line) from None


def _composed(text: str, source: str, twice: list[str] | None = None) -> Iterator[tuple[int, Any]]:
    """(first line, value) of every YAML document. twice: takes the keys that come twice, which are an error without."""
    loader = _Loader(text)
    try:
        reader = _Reader(loader.get_event, source, twice)
        while not isinstance(event := loader.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                yield reader.document()
    finally:
        loader.dispose()


def dump(value: Any) -> str:
    """One document as YAML: block style, keys sorted, as kubectl prints `-o yaml`."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=True, default_flow_style=False, allow_unicode=True, width=_NO_FOLDING
    )
    return text


def dump_all(values: Iterable[Any]) -> str:
    """Several documents as YAML, with `---` between them."""
    return "---\n".join(dump(value) for value in values)


_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")


_NO_FOLDING = 2**31 - 1


class _Loader(yaml.CSafeLoader):
    """Read by its events only: PyYAML's own composer recurses in C, where a deep document ends the process."""


class _Dumper(yaml.CSafeDumper):
    """Block style with lists at their key's indentation, long texts as literals, ambiguous texts quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text and not any(line.endswith((" ", "\t")) for line in text.split("\n")):
        style = "|"
    elif text in _BOOLEANS or _plain(text) is not text or _DATE.match(text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


class _Reader:
    """The values of one text, made of the parser's events. What a plain scalar means is decided here."""

    def __init__(self, events: Callable[[], Any], source: str, twice: list[str] | None) -> None:
        self._next = events
        self._source = source
        self._twice = twice
        self._anchors: dict[str, tuple[Any, int] | None] = {}  # its value and how many nodes that is; None: still open
        self._nodes = 0
        self._of_aliases = 0

    def document(self) -> tuple[int, Any]:
        """Its first line and its value; the event before was the start of a document."""
        self._anchors.clear()
        event = self._next()
        return event.start_mark.line + 1, self._node(event, 1)

    def _node(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > MAX_DEPTH:
            raise self._error("exceeded max depth", event)
        before = self._nodes
        self._nodes += 1
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
            while not isinstance(each := self._next(), yaml.SequenceEndEvent):
                value.append(self._node(each, depth + 1))
        else:
            value = self._mapping(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise self._error(f"unknown anchor '{event.anchor}' referenced", event)
        found = self._anchors[event.anchor]
        if found is None:
            raise self._error(f"anchor '{event.anchor}' value contains itself", event)
        value, size = found
        self._nodes += size
        self._of_aliases += size
        if self._of_aliases > _ALIASED and self._of_aliases > self._nodes * _aliases_allowed(self._nodes):
            raise self._error("document contains excessive aliasing", event)
        return orjson.loads(orjson.dumps(value)) if isinstance(value, dict | list) else value

    def _mapping(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(at_key := self._next(), yaml.MappingEndEvent):
            if isinstance(at_key, yaml.ScalarEvent) and at_key.value == "<<" and _is_plain(at_key):
                merged = {**self._merged(self._next(), depth), **merged}
                continue
            key = self._key(at_key, depth)
            at_value = self._next()
            value = self._node(at_value, depth + 1)
            if key in result:
                if self._twice is None:
                    raise self._error(f'key "{key}" already set in map', at_key)
                self._twice.append(f'line {at_value.start_mark.line + 1}: key "{key}" already set in map')
            result[key] = value
        return {**merged, **result} if merged else result

    def _merged(self, event: Any, depth: int) -> dict[str, Any]:
        value = self._node(event, depth + 1)
        result: dict[str, Any] = {}
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, dict):
                raise self._error("map merge requires map or sequence of maps as the value", event)
            result = {**each, **result}
        return result

    def _key(self, event: Any, depth: int) -> str:
        value = self._node(event, depth + 1)
        if isinstance(value, dict | list):
            raise self._error("a key must be a scalar", event)
        if isinstance(value, bool):
            return "true" if value else "false"
        return "null" if value is None else str(value)

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if _is_plain(event):
            return _plain(text)
        if event.tag in (None, "!"):
            return text
        prefix, _, kind = event.tag.rpartition(":")
        if prefix != "tag:yaml.org,2002" or kind == "str":
            return text
        return self._tagged(text, kind, event)

    def _tagged(self, text: str, tag: str, event: Any) -> Any:
        match tag:
            case "null":
                return None
            case "bool" if text in _BOOLEANS:
                return _BOOLEANS[text]
            case "int" if _INT.fullmatch(text):
                return _integer(text)
            case "float" if _is_number(text):
                return float(text.replace("_", ""))
            case "binary" | "timestamp":
                return text
            case _:
                raise self._error(f"cannot decode !!str `{text}` as a !!{tag}", event)

    def _error(self, message: str, event: Any) -> ManifestError:
        return ManifestError(message, source=self._source, line=event.start_mark.line + 1)


def _is_plain(event: Any) -> bool:
    """Whether a scalar is neither quoted nor tagged."""
    return event.tag in (None, "!") and bool(event.implicit[0])


def _aliases_allowed(nodes: int) -> float:
    """The part of a document's nodes that aliases may stand for: the larger it has become, the less."""
    few, many = 400_000, 4_000_000
    return 0.99 if nodes <= few else 0.10 if nodes >= many else 0.99 - 0.89 * (nodes - few) / (many - few)


def _plain(text: str) -> Any:
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in _BOOLEANS and text not in _LONE_LETTERS:
        return _BOOLEANS[text]
    if text[0] not in "0123456789+-.":
        return text
    if _INT.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        value = float(text.replace("_", ""))
        return text if math.isinf(value) else value
    return text


def _integer(text: str) -> int | float:
    digits = text.replace("_", "")
    sign = -1 if digits[0] == "-" else 1
    digits = digits.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdecimal():
        return sign * int(digits, 8)
    value = sign * int(digits, 0)
    return value if -(2**63) <= value < 2**64 else float(value)


def _is_number(text: str) -> bool:
    return bool(_INT.fullmatch(text) or _FLOAT.fullmatch(text))


def _kind(value: Any) -> str:
    return {list: "a list", str: "a string", bool: "a boolean"}.get(type(value), "a number")
