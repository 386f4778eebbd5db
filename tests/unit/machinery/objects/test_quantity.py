"""Quantities: canonical texts, exact arithmetic, upstream's errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinery.objects import quantity
from machinery.objects.quantity import QuantityError, from_milli, parse


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"), ("1", "1"), ("1000m", "1"), ("1500m", "1500m"), ("100m", "100m"), ("1.5", "1500m"), (".5", "500m"),
        ("1000", "1k"), ("1100", "1100"), ("1k", "1k"), ("1024Mi", "1Gi"), ("0.5Gi", "512Mi"), ("1.5Gi", "1536Mi"),
        ("100Ki", "100Ki"), ("1024", "1024"), ("0.1Ki", "102400m"), ("1e3", "1e3"), ("1E", "1E"), ("12e6", "12e6"),
        ("-1500m", "-1500m"), ("+2", "2"), ("0.0000000001", "1n"), ("99999999999999999999", "9223372036854775807"),
        (2, "2"), (0.25, "250m"),
    ],
)  # fmt: skip
def test_canonical_text(text: str | float, canonical: str) -> None:
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", quantity.WRONG_FORMAT), ("abc", quantity.WRONG_FORMAT), ("1 ", quantity.WRONG_FORMAT),
        ("1.2.3", quantity.WRONG_FORMAT), ("-", quantity.WRONG_NUMBER), ("1mi", quantity.WRONG_SUFFIX),
        ("1ei", quantity.WRONG_SUFFIX),
    ],
)  # fmt: skip
def test_refuses(text: str, message: str) -> None:
    with pytest.raises(QuantityError) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "milli", "value"),
    [("1", 1000, 1), ("1m", 1, 1), ("1u", 1, 1), ("-1500m", -1500, -2), ("1.1Gi", 1181116006400, 1181116007)],
)
def test_rounds_away_from_zero(text: str, milli: int, value: int) -> None:
    assert (parse(text).milli(), parse(text).value()) == (milli, value)


def test_amounts_compare_across_notations() -> None:
    assert parse("1Gi") == parse("1024Mi") == parse("1073741824")
    assert hash(parse("1")) == hash(parse("1000m"))
    assert parse("999m") < parse("1") < parse("1Ki")
    assert max(parse("100Mi"), parse("1Gi")) == parse("1Gi")


def test_sums_are_exact_and_keep_the_notation() -> None:
    assert str(parse("512Mi") + parse("512Mi")) == "1Gi"
    assert str(parse("0.1") + parse("0.2")) == "300m"
    assert str(parse("1") - parse("1500m")) == "-500m"
    assert str(quantity.ZERO + parse("1Gi")) == "1Gi"


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_text_of_any_amount_reads_back(milli: int) -> None:
    amount = from_milli(milli)
    assert parse(str(amount)) == amount


@given(st.integers(min_value=1, max_value=2**50), st.sampled_from(["Ki", "Mi"]))
def test_canonical_text_is_stable(number: int, suffix: str) -> None:
    once = quantity.canonical(f"{number}{suffix}")
    assert quantity.canonical(once) == once
