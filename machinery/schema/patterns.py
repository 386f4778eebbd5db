"""Go's regular expressions (RE2), which schemas are written in, for Python's engine.

What differs where schemas use it: `$` and `\\z` are the very end, `\\d`, `\\w`, `\\s` and `\\b` are ASCII's, and
classes have POSIX names (`[[:alpha:]]`). What only Python knows (look-around, back references) is refused, as RE2
refuses it.
Rule: https://github.com/google/re2/wiki/Syntax.
"""

from __future__ import annotations

import re
from functools import lru_cache

_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7F", "blank": r"\t ", "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_TOKEN = re.compile(
    r"\\Q(?P<literal>.*?)(?:\\E|$)|\\x\{(?P<hex>[0-9a-fA-F]+)\}|\\(?P<escape>.)"
    r"|\[:(?P<posix>\^?[a-z]+):\]|\((?P<group>\?[^:)]*)|(?P<other>.)",
    re.DOTALL,
)
_GROUP = re.compile(r"\?(?:P?<(?!=|!)|[imsU-]*$)")


class PatternError(ValueError):
    """The text is no regular expression, or none that RE2 takes; the message says why."""


@lru_cache(maxsize=1024)
def compile(pattern: str) -> re.Pattern[str]:
    """The pattern, to be used with `search`. Raises PatternError."""
    out: list[str] = []
    within = False
    for token in _TOKEN.finditer(pattern):
        text, within = _translated(token, within=within)
        out.append(text)
    try:
        return re.compile("".join(out), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"error parsing regexp: {error}") from None


def _translated(token: re.Match[str], *, within: bool) -> tuple[str, bool]:
    """One token for Python, and whether a class of characters is open after it."""
    text = token[0]
    if token["literal"] is not None:
        return re.escape(token["literal"]), within
    if token["hex"] is not None:
        if int(token["hex"], 16) > 0x10FFFF:
            raise PatternError(f"error parsing regexp: invalid escape sequence: `{text}`")
        return re.escape(chr(int(token["hex"], 16))), within
    if token["escape"] is not None:
        if token["escape"] == "z" and not within:
            return r"\Z", within
        if token["escape"] in "ZkGKRX123456789":
            raise PatternError(f"error parsing regexp: invalid escape sequence: `{text}`")
        return text, within
    if token["posix"] is not None:
        name = token["posix"].removeprefix("^")
        if not within:
            return text, within
        if name not in _POSIX or token["posix"] != name:
            raise PatternError(f"error parsing regexp: invalid character class range: `{text}`")
        return _POSIX[name], within
    if token["group"] is not None and not within:
        if not _GROUP.match(token["group"]):
            raise PatternError(f"error parsing regexp: invalid or unsupported Perl syntax: `{text[:3]}`")
        return text.replace("(?<", "(?P<", 1), within
    match text:
        case "[":
            return (r"\[" if within else "["), True
        case "]":
            return "]", False
        case "$" if not within:
            return r"\Z", within
        case _:
            return text, within
