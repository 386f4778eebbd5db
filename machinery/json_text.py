"""JSON as Go's decoder reads it: what it forgives, what it calls what it does not, and how deep it may be.

orjson is fast and strict: it takes no text that is not UTF-8 and no half of a surrogate pair, where Go puts a
replacement character; and its errors name places in other words. Only a text that orjson refuses comes here.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

MAX_DEPTH = 200
"""How deep maps and lists may lie in each other: far deeper than in any object, far less than Python's stack."""

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|(?P<open>[\[{])|(?P<close>[\]}])', re.DOTALL)
_LONE_SURROGATE = re.compile(
    r"(?<!\\)((?:\\\\)*)(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_VALUE, _FIRST_ITEM, _FIRST_KEY, _KEY, _COLON, _AFTER = range(6)


class JsonTextError(ValueError):
    """The text is no JSON, or too deep; the message is Go's."""


def loads(text: bytes) -> Any:
    """The value of a JSON text. Raises JsonTextError."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = _forgiven(text)
    if not shallow(text):
        raise JsonTextError("exceeded max depth")
    return value


def shallow(text: bytes) -> bool:
    """Whether a JSON text lies within MAX_DEPTH."""
    if text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
        return True
    depth = 0
    for token in _BRACKETS.finditer(text):
        if token["open"]:
            depth += 1
            if depth > MAX_DEPTH:
                return False
        elif token["close"]:
            depth -= 1
    return True


def _forgiven(text: bytes) -> Any:
    said = text.decode(errors="replace")
    try:
        return orjson.loads(_LONE_SURROGATE.sub(lambda found: found[1] + (found[2] or "\\ufffd"), said))
    except orjson.JSONDecodeError:
        raise JsonTextError(why_not(said)) from None


def why_not(text: str) -> str:
    """What Go's scanner says of a text that is no JSON: the first character that does not fit, and where it stands."""
    open_: list[str] = []
    at, state = 0, _VALUE
    while True:
        at = _end(_SPACE, text, at)
        if at == len(text):
            return "unexpected end of JSON input"
        character = text[at]
        if state == _AFTER:
            if not open_:
                return _invalid(character, "after top-level value")
            inside = open_[-1]
            if character == ",":
                at, state = at + 1, _KEY if inside == "}" else _VALUE
            elif character == inside:
                open_.pop()
                at += 1
            else:
                return _invalid(character, "after array element" if inside == "]" else "after object key:value pair")
        elif state in (_KEY, _FIRST_KEY):
            if character == "}" and state == _FIRST_KEY:
                open_.pop()
                at, state = at + 1, _AFTER
            elif character != '"':
                return _invalid(character, "looking for beginning of object key string")
            else:
                at, problem = _string(text, at)
                if problem:
                    return problem
                state = _COLON
        elif state == _COLON:
            if character != ":":
                return _invalid(character, "after object key")
            at, state = at + 1, _VALUE
        elif character in "{[":
            open_.append("}" if character == "{" else "]")
            if len(open_) > 10_000:
                return "exceeded max depth"
            at, state = at + 1, _FIRST_KEY if character == "{" else _FIRST_ITEM
        elif character == "]" and state == _FIRST_ITEM:
            open_.pop()
            at, state = at + 1, _AFTER
        else:
            at, problem = _scalar(text, at)
            if problem:
                return problem
            state = _AFTER


def _scalar(text: str, at: int) -> tuple[int, str]:
    """Where a value that begins here ends, or what is wrong with it."""
    character = text[at]
    if character == '"':
        return _string(text, at)
    if character in "tfn":
        word = {"t": "true", "f": "false", "n": "null"}[character]
        for index, wanted in enumerate(word):
            if at + index == len(text):
                return at, "unexpected end of JSON input"
            if text[at + index] != wanted:
                return at, _invalid(text[at + index], f"in literal {word} (expecting {_quoted(wanted)})")
        return at + len(word), ""
    if character != "-" and not ("0" <= character <= "9"):
        return at, _invalid(character, "looking for beginning of value")
    end = _end(_NUMBER, text, at)
    rest = text[end : end + 1]
    if end == at:  # a minus alone
        rest = text[at + 1 : at + 2]
        return at, _invalid(rest, "in numeric literal") if rest else "unexpected end of JSON input"
    if rest and rest in ".eE":
        where = "after decimal point in numeric literal" if rest == "." else "in exponent of numeric literal"
        after = text[end + 1 :].lstrip("+-" if rest != "." else "")[:1]
        return end, _invalid(after, where) if after else "unexpected end of JSON input"
    return end, ""


def _string(text: str, at: int) -> tuple[int, str]:
    end = _end(_STRING, text, at)
    character = text[end : end + 1]
    if character == '"':
        return end + 1, ""
    if not character:
        return end, "unexpected end of JSON input"
    if character != "\\":
        return end, _invalid(character, "in string literal")
    escape = text[end + 1 : end + 2]
    if escape != "u":
        return end, _invalid(escape, "in string escape code") if escape else "unexpected end of JSON input"
    for wrong in text[end + 2 : end + 6]:
        if wrong not in "0123456789abcdefABCDEF":
            return end, _invalid(wrong, "in \\u hexadecimal character escape")
    return end, "unexpected end of JSON input"


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _invalid(character: str, where: str) -> str:
    return f"invalid character {_quoted(character)} {where}"


def _quoted(character: str) -> str:
    escaped = {"'": "\\'", '"': '"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    if escaped is None:
        escaped = character if character.isprintable() else f"\\x{ord(character):02x}"
    return f"'{escaped}'"
