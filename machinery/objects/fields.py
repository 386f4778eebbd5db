"""Field selectors: `spec.nodeName=a,status.phase!=Failed`.

Unlike labels, fields compare for equality only, and each kind says which fields it offers. `\\` takes the meaning from
a following `,`, `=` or `\\`. Grammar and messages follow k8s.io/apimachinery `fields.ParseSelector`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from machinery.objects import meta
from machinery.objects.selectors import SelectorError


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One field must (or must not) have one value. An absent field has the value ""."""

    field: str
    value: str
    equal: bool = True

    def __str__(self) -> str:
        return f"{self.field}{'=' if self.equal else '!='}{escape(self.value)}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All requirements must hold; none selects everything."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, value_of: Callable[[str], str]) -> bool:
        """Whether an object is selected, given its fields as `value_of(path)`."""
        for each in self.requirements:  # noqa: SIM110  # a loop, not all(): this runs for every object of a list
            if (value_of(each.field) == each.value) is not each.equal:
                return False
        return True

    def matches_object(self, o: Mapping[str, Any]) -> bool:
        """As `matches`, reading the fields from the object by their paths."""
        return self.matches(lambda path: lookup(o, path))

    @property
    def everything(self) -> bool:
        """Whether it restricts nothing."""
        return not self.requirements

    def exact(self, field: str) -> str | None:
        """The one value that the selector demands of this field, None when it does not."""
        for each in self.requirements:
            if each.field == field and each.equal:
                return each.value
        return None

    def check(self, allowed: Iterable[str]) -> None:
        """SelectorError when a field is none of those that a kind offers."""
        offered = set(allowed)
        for each in self.requirements:
            if each.field not in offered:
                raise SelectorError(f"field label not supported: {each.field}")

    def __str__(self) -> str:
        return ",".join(str(each) for each in self.requirements)


EVERYTHING = FieldSelector()
METADATA_FIELDS = ("metadata.name", "metadata.namespace")
"""What every kind offers."""


def parse(text: str) -> FieldSelector:
    """The selector of its text; "" selects everything. SelectorError with upstream's message."""
    found = []
    for term in sorted(_split(text)):
        if not term:
            continue
        parsed = _term(term)
        if parsed is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
        found.append(parsed)
    return FieldSelector(tuple(found))


def lookup(o: Mapping[str, Any], path: str) -> str:
    """A field as a selector sees it: text, `true`/`false`, decimal; "" when absent or not a scalar."""
    value: Any
    if path == "metadata.name":
        return meta.name(o)
    if path == "metadata.namespace":
        return meta.namespace(o)
    value = o
    for step in path.split("."):
        if not isinstance(value, Mapping):
            return ""
        value = value.get(step)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else ""


def escape(value: str) -> str:
    """A value as it must stand in a selector's text."""
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def _split(text: str) -> list[str]:
    terms = [""]
    escaped = False
    for char in text:
        if char == "," and not escaped:
            terms.append("")
            continue
        escaped = char == "\\" and not escaped
        terms[-1] += char
    return terms


def _term(term: str) -> FieldRequirement | None:
    at = 0
    while at < len(term):
        if term[at] == "\\":
            at += 2
            continue
        for operator in ("!=", "==", "="):
            if term.startswith(operator, at):
                return _checked(term[:at], term[at + len(operator) :], equal=operator != "!=")
        at += 1
    return None


def _checked(field: str, value: str, *, equal: bool) -> FieldRequirement:
    plain = ""
    at = 0
    while at < len(value):
        char = value[at]
        if char == "\\":
            at += 1
            if at == len(value):
                raise SelectorError(f"invalid field selector: unterminated escape sequence in {value}")
            if value[at] not in "\\,=":
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{value[at]}")
            char = value[at]
        elif char in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {value}")
        plain += char
        at += 1
    return FieldRequirement(field, plain, equal)
