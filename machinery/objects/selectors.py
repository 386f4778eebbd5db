"""Label selectors: as text (`app=web,tier in (a,b),!old`) and as object (`matchLabels`, `matchExpressions`).

Grammar, sorting and error messages follow k8s.io/apimachinery `labels.Parse`. A selector is immutable and hashable, so
it can be a key; matching takes no allocation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from machinery.objects import names

_SPACE = " \t\r\n"
_SPECIAL = "=!(),><"
_OPERATORS = frozenset({"=", "==", "!=", ">", "<", "(", ")", ",", "!"})
_BINARY_OPERATORS = ("in", "notin", "=", "==", "!=", "gt", "lt")
_END = ""


class SelectorError(ValueError):
    """The selector cannot be used; the message is Kubernetes' own."""


class Op(Enum):
    """What a requirement asks of a label."""

    EQUALS = "="
    DOUBLE_EQUALS = "=="
    NOT_EQUALS = "!="
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"
    GREATER = "gt"
    LESS = "lt"


_OF_TEXT = {"=": Op.EQUALS, "==": Op.DOUBLE_EQUALS, "!=": Op.NOT_EQUALS, ">": Op.GREATER, "<": Op.LESS}
_OF_OBJECT = {"In": Op.IN, "NotIn": Op.NOT_IN, "Exists": Op.EXISTS, "DoesNotExist": Op.DOES_NOT_EXIST}
_OF_NODE = _OF_OBJECT | {"Gt": Op.GREATER, "Lt": Op.LESS}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    op: Op
    values: tuple[str, ...] = ()
    """Sorted; empty for EXISTS and DOES_NOT_EXIST, one for all but IN and NOT_IN."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels fulfil the requirement. NOT_IN and NOT_EQUALS hold for an absent label."""
        value = labels.get(self.key)
        match self.op:
            case Op.EQUALS | Op.DOUBLE_EQUALS | Op.IN:
                return value is not None and value in self.values
            case Op.NOT_EQUALS | Op.NOT_IN:
                return value is None or value not in self.values
            case Op.EXISTS:
                return value is not None
            case Op.DOES_NOT_EXIST:
                return value is None
            case Op.GREATER | Op.LESS:
                have, want = _integer(value), _integer(self.values[0])
                if have is None or want is None:
                    return False
                return have > want if self.op is Op.GREATER else have < want

    def __str__(self) -> str:
        joined = ",".join(self.values)
        match self.op:
            case Op.EXISTS:
                return self.key
            case Op.DOES_NOT_EXIST:
                return f"!{self.key}"
            case Op.IN | Op.NOT_IN:
                return f"{self.key} {self.op.value} ({joined})"
            case Op.GREATER:
                return f"{self.key}>{joined}"
            case Op.LESS:
                return f"{self.key}<{joined}"
            case _:
                return f"{self.key}{self.op.value}{joined}"


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements must hold. Without requirements it matches everything, unless it is `NOTHING`."""

    requirements: tuple[Requirement, ...] = ()
    none: bool = False
    """Matches no object at all: what a null LabelSelector means."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        if self.none:
            return False
        for requirement in self.requirements:  # noqa: SIM110  # a loop, not all(): this runs for every object of a list
            if not requirement.matches(labels):
                return False
        return True

    @property
    def everything(self) -> bool:
        """Whether it restricts nothing."""
        return not self.requirements and not self.none

    def exact(self, key: str) -> str | None:
        """The one value that the selector demands of this label, None when it does not."""
        for requirement in self.requirements:
            if requirement.key == key and requirement.op in (Op.EQUALS, Op.DOUBLE_EQUALS, Op.IN):
                return requirement.values[0] if len(requirement.values) == 1 else None
        return None

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = Selector()
NOTHING = Selector(none=True)


def parse(text: str) -> Selector:
    """The selector of its text form; "" selects everything. SelectorError with upstream's message."""
    return _Parser(text).selector()


def from_set(labels: Mapping[str, str]) -> Selector:
    """The selector of objects that carry all these labels; {} selects everything. Values are not checked."""
    return _sorted(Requirement(key, Op.EQUALS, (value,)) for key, value in labels.items())


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """The selector of a `metav1.LabelSelector`: None selects nothing, {} everything. SelectorError when malformed."""
    if selector is None:
        return NOTHING
    found = [Requirement(key, Op.EQUALS, (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or ():
        operator = each.get("operator", "")
        if operator not in _OF_OBJECT:
            raise SelectorError(f"{_quote(operator)} is not a valid label selector operator")
        found.append(requirement(each.get("key", ""), _OF_OBJECT[operator], each.get("values") or ()))
    return _sorted(found)


def from_node_expressions(expressions: Iterable[Mapping[str, Any]]) -> Selector:
    """The selector of `matchExpressions` of a node selector term, which know `Gt` and `Lt` too.

    SelectorError when one is malformed: such a term matches no node.
    """
    found = []
    for each in expressions:
        operator = each.get("operator", "")
        if operator not in _OF_NODE:
            raise SelectorError(f"{_quote(operator)} is not a valid node selector operator")
        found.append(requirement(each.get("key", ""), _OF_NODE[operator], each.get("values") or ()))
    return _sorted(found)


def requirement(key: str, op: Op, values: Iterable[str] = ()) -> Requirement:
    """One requirement, checked. SelectorError for a bad key, a bad value or a wrong count of values."""
    wanted = tuple(sorted(set(values)))
    problems = []
    if bad := names.is_label_key(key):
        problems.append(f"key: Invalid value: {_quote(key)}: {'; '.join(bad)}")
    shown = orjson.dumps(wanted).decode()
    match op:
        case Op.IN | Op.NOT_IN if not wanted:
            problems.append(f"values: Invalid value: {shown}: for 'in', 'notin' operators, values set can't be empty")
        case Op.EQUALS | Op.DOUBLE_EQUALS | Op.NOT_EQUALS if len(wanted) != 1:
            problems.append(f"values: Invalid value: {shown}: exact-match compatibility requires one single value")
        case Op.EXISTS | Op.DOES_NOT_EXIST if wanted:
            text = "values set must be empty for exists and does not exist"
            problems.append(f"values: Invalid value: {shown}: {text}")
        case Op.GREATER | Op.LESS:
            if len(wanted) != 1:
                text = "for 'Gt', 'Lt' operators, exactly one value is required"
                problems.append(f"values: Invalid value: {shown}: {text}")
            for index, value in enumerate(wanted):
                if _integer(value) is None:
                    text = "for 'Gt', 'Lt' operators, the value must be an integer"
                    problems.append(f"values[{index}]: Invalid value: {_quote(value)}: {text}")
        case _:
            pass
    for index, value in enumerate(wanted):
        if bad := names.is_label_value(value):
            problems.append(f"values[{index}][{key}]: Invalid value: {_quote(value)}: {'; '.join(bad)}")
    if problems:
        raise SelectorError(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
    return Requirement(key, op, wanted)


class _Parser:
    """Recursive descent over the tokens of one text. `in` and `notin` are words anywhere but after a key."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def selector(self) -> Selector:
        found: list[Requirement] = []
        while True:
            if self._peek() == _END and not self._peek_is_word():
                return _sorted(found)
            if not self._peek_is_word() and self._peek() != "!":
                raise SelectorError(f"found '{self._peek()}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            word, token = self._next()
            if token == _END:
                return _sorted(found)
            if word or token != ",":
                raise SelectorError(f"found '{token}', expected: ',' or 'end of string'")
            if not self._peek_is_word() and self._peek() != "!":
                raise SelectorError(f"found '{self._peek()}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        word, key = self._next()
        negated = not word and key == "!"
        if negated:
            word, key = self._next()
        if not word:
            raise SelectorError(f"found '{key}', expected: identifier")
        if bad := names.is_label_key(key):
            raise SelectorError(f"<nil>: Invalid value: {_quote(key)}: {'; '.join(bad)}")
        if not self._peek_is_word() and self._peek() in (_END, ","):
            return requirement(key, Op.DOES_NOT_EXIST if negated else Op.EXISTS)
        word, token = self._next()
        if word and token in ("in", "notin"):
            return requirement(key, Op.IN if token == "in" else Op.NOT_IN, self._values())
        if word or token not in _OF_TEXT:
            raise SelectorError(f"found '{token}', expected: {', '.join(_BINARY_OPERATORS)}")
        return requirement(key, _OF_TEXT[token], (self._value(),))

    def _value(self) -> str:
        if not self._peek_is_word() and self._peek() in (_END, ","):
            return ""
        word, token = self._next()
        if not word:
            raise SelectorError(f"found '{token}', expected: identifier")
        return token

    def _values(self) -> list[str]:
        word, token = self._next()
        if word or token != "(":
            raise SelectorError(f"found '{token}' expected: '('")
        if not self._peek_is_word() and self._peek() not in (",", ")"):
            raise SelectorError(f"found '{self._peek()}', expected: ',', ')' or identifier")
        found: list[str] = []
        current = ""
        while True:
            word, token = self._next()
            if word:
                current = token
                if self._peek_is_word() or self._peek() not in (",", ")"):
                    raise SelectorError(f"found '{self._peek()}', expected: ',' or ')'")
                continue
            if token not in (",", ")"):
                raise SelectorError(f"found '{token}', expected: ',', or identifier")
            found.append(current)
            current = ""
            if token == ")":
                return found

    def _peek(self) -> str:
        return self._tokens[self._at][1]

    def _peek_is_word(self) -> bool:
        return self._tokens[self._at][0]

    def _next(self) -> tuple[bool, str]:
        token = self._tokens[self._at]
        if self._at < len(self._tokens) - 1:  # the end can be read again and again
            self._at += 1
        return token


def _tokens(text: str) -> Iterable[tuple[bool, str]]:
    """(is a word, text) of each token, and (False, "") at the end."""
    at = 0
    while at < len(text):
        start = at
        if text[at] in _SPACE:
            at += 1
            continue
        if text[at] not in _SPECIAL:
            while at < len(text) and text[at] not in _SPACE and text[at] not in _SPECIAL:
                at += 1
            yield True, text[start:at]
            continue
        at += 1
        if text[start : at + 1] in _OPERATORS:  # `==` and `!=` before `=` and `!`
            at = min(at + 1, len(text)) if len(text[start : at + 1]) == 2 else at
        yield False, text[start:at]
    yield False, _END


def _sorted(requirements: Iterable[Requirement]) -> Selector:
    return Selector(tuple(sorted(requirements, key=lambda each: each.key)))


def _integer(text: str | None) -> int | None:
    if text is None or not text.removeprefix("-").removeprefix("+").isdecimal() or not text.isascii():
        return None
    return int(text)


def _quote(text: str) -> str:
    return orjson.dumps(text).decode()
