"""Flags as kubectl's users type them.

The rules are those of the flag library that kubectl uses (pflag), which argparse does not follow: flags and arguments
mix freely, `--watch=false` turns a switch off, `-oyaml`, `-o yaml` and `-o=yaml` are one thing, short switches bundle
(`-Aw`), and `--` ends flags. Parsing is pure and imports nothing, because it stands before every command.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.errors import UsageError

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


class Kind(enum.Enum):
    """How a flag's text becomes its value."""

    STRING = "string"
    BOOL = "bool"
    INT = "int"
    DURATION = "duration"
    LIST = "strings"
    """Comma-separated, and given repeatedly it adds."""
    ARRAY = "stringArray"
    """Given repeatedly it adds; commas are part of the value."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag.

    default: None for "not given" where the command must tell the difference.
    bare: the value of `--flag` without `=value` (pflag's NoOptDefVal), which is then needed; switches have "true".
    """

    name: str
    help: str
    short: str = ""
    kind: Kind = Kind.STRING
    default: Any = ""
    bare: str | None = None


def switch(name: str, help: str, *, short: str = "", default: bool | None = False) -> Flag:
    """An on-off flag."""
    return Flag(name, help, short, Kind.BOOL, default, "true")


@dataclass(slots=True)
class Parsed:
    """What was typed. `args` stand before `--`, `rest` after it. `given` names the flags that were typed."""

    values: dict[str, Any]
    args: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    given: set[str] = field(default_factory=set)
    dashed: bool = False
    """Whether there was a `--` at all."""

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def parse(argv: Sequence[str], flags: Iterable[Flag]) -> Parsed:
    """Raises UsageError for an unknown flag, a missing value or one that does not fit its kind."""
    by_name: dict[str, Flag] = {}
    by_short: dict[str, Flag] = {}
    for flag in flags:
        by_name[flag.name] = flag
        if flag.short:
            by_short[flag.short] = flag
    parsed = Parsed({name: _copy(flag.default) for name, flag in by_name.items()})
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "--":
            parsed.dashed = True
            parsed.rest = words
            break
        if word.startswith("--"):
            _long(word, words, by_name, parsed)
        elif word.startswith("-") and word != "-":
            _shorts(word, words, by_short, parsed)
        else:
            parsed.args.append(word)
    return parsed


def first_argument(argv: Sequence[str], flags: Sequence[Flag]) -> int | None:
    """The index of the first word that is neither a flag nor a flag's value; None when there is none.

    `flags` are those that may stand before a command; an unknown one is passed over as if it took no value, and the
    command's own parsing then names it."""
    takes_value = {f"--{flag.name}" for flag in flags if flag.bare is None}
    takes_value |= {f"-{flag.short}" for flag in flags if flag.short and flag.bare is None}
    skip = False
    for index, word in enumerate(argv):
        if skip:
            skip = False
        elif word == "--":
            return None
        elif word.startswith("-") and word != "-":
            skip = word in takes_value
        else:
            return index
    return None


def _long(word: str, words: list[str], by_name: Mapping[str, Flag], parsed: Parsed) -> None:
    name, equals, text = word[2:].partition("=")
    flag = by_name.get(name)
    if flag is None:
        raise UsageError(f"unknown flag: --{name}")
    if not equals:
        if flag.bare is not None:
            text = flag.bare
        elif words:
            text = words.pop(0)
        else:
            raise UsageError(f"flag needs an argument: --{name}")
    _set(parsed, flag, text, f"-{flag.short}, --{name}" if flag.short else f"--{name}")


def _shorts(word: str, words: list[str], by_short: Mapping[str, Flag], parsed: Parsed) -> None:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = by_short.get(letter)
        if flag is None:
            raise UsageError(f"unknown shorthand flag: '{letter}' in {word}")
        shown = f"-{letter}, --{flag.name}"
        if letters.startswith("="):
            _set(parsed, flag, letters[1:], shown)
            return
        if flag.bare is not None:
            _set(parsed, flag, flag.bare, shown)
            continue
        if letters:
            text, letters = letters, ""
        elif words:
            text = words.pop(0)
        else:
            raise UsageError(f"flag needs an argument: '{letter}' in {word}")
        _set(parsed, flag, text, shown)


def _set(parsed: Parsed, flag: Flag, text: str, shown: str) -> None:
    try:
        value = _value(flag, text)
    except ValueError as error:
        raise UsageError(f'invalid argument "{text}" for "{shown}" flag: {error}') from None
    if flag.kind in (Kind.LIST, Kind.ARRAY):
        before = parsed.values[flag.name] if flag.name in parsed.given else []
        parsed.values[flag.name] = [*before, *value]
    else:
        parsed.values[flag.name] = value
    parsed.given.add(flag.name)


def _value(flag: Flag, text: str) -> Any:
    match flag.kind:
        case Kind.BOOL:
            if text.lower() in ("true", "t", "1"):
                return True
            if text.lower() in ("false", "f", "0"):
                return False
            raise ValueError("must be true or false")
        case Kind.INT:
            try:
                return int(text)
            except ValueError:
                raise ValueError("must be an integer") from None
        case Kind.DURATION:
            return _duration(text)
        case Kind.LIST:
            return text.split(",") if text else []
        case Kind.ARRAY:
            return [text]
        case Kind.STRING:
            return text


def _duration(text: str) -> float:
    """Seconds of `1h30m`, or of a bare number, which kubectl takes for some of its flags."""
    from machinery.objects import timefmt

    if _NUMBER.fullmatch(text):
        return float(text)
    return timefmt.parse_duration(text)


def shown(flag: Flag) -> str:
    """A flag's default as kubectl's help has it: `24h0m0s`, `[]`, `''`; "" when there is none."""
    default = flag.default
    if default is None:
        return ""
    if flag.kind is Kind.DURATION:
        from machinery.objects import timefmt

        return timefmt.format_duration(default)
    if flag.kind is Kind.BOOL:
        return str(default).lower()
    if flag.kind in (Kind.LIST, Kind.ARRAY):
        return f"[{','.join(default)}]"
    return str(default) or "''"


def _copy(default: Any) -> Any:
    return list(default) if isinstance(default, list) else default
