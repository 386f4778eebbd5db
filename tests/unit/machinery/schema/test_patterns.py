from __future__ import annotations

import pytest

from machinery.schema import patterns


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^a$", "a", "a\n"),
        (r"\Aa\z", "a", "ab"),
        (r"^[[:alpha:]_]+$", "aB_", "a1"),
        (r"^[^[:space:]]+$", "a", "a b"),
        (r"^\d+$", "12", "\u0663"),
        (r"^\Qa.b\E$", "a.b", "axb"),
        (r"^(?P<n>a)(?:b)?$", "ab", "b"),
        (r"^(?<n>a)$", "a", "b"),
        (r"(?i)^a$", "A", "b"),
        (r"^\x{41}$", "A", "B"),
        (r"^[a[]$", "[", "]"),
        (r"^[$]$", "$", "a"),
        (r"^a\$$", "a$", "a"),
        ("", "anything", None),
    ],
)
def test_go_patterns(pattern: str, good: str, bad: str | None) -> None:
    compiled = patterns.compile(pattern)
    assert compiled.search(good)
    assert bad is None or not compiled.search(bad)


@pytest.mark.parametrize("pattern", ["(", "[", "a**", r"(?=a)", r"(?!a)", r"(?<=a)", r"(a)\1", "[[:nothing:]]", "*"])
def test_what_go_does_not_take(pattern: str) -> None:
    with pytest.raises(patterns.PatternError, match="error parsing regexp"):
        patterns.compile(pattern)
