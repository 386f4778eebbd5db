"""Resource quantities (`100m`, `1Gi`, `1e3`), exact to a nano-unit as in Kubernetes.

A quantity is a whole number of nanos plus the family of suffixes it was written in. Kubernetes stores quantities in
canonical form: the largest suffix that needs no fraction (`1000m` -> `1`, `1024Mi` -> `1Gi`, `0.5Gi` -> `512Mi`); what
is smaller than a nano rounds up, away from zero; what is above 2^63-1 is capped there.
Rule: k8s.io/apimachinery `resource.Quantity`.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import Enum
from functools import total_ordering

NANO = 10**9
_MAX = (2**63 - 1) * NANO
_SHAPE = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARY.items()} | {0: ""}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")


class Format(Enum):
    """The family of suffixes a quantity is written in."""

    DECIMAL_SI = "DecimalSI"
    BINARY_SI = "BinarySI"
    DECIMAL_EXPONENT = "DecimalExponent"


class QuantityError(ValueError):
    """The text is no quantity; the message is Kubernetes' own."""


WRONG_FORMAT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
WRONG_NUMBER = "unable to parse numeric part of quantity"
WRONG_SUFFIX = "unable to parse quantity's suffix"


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount. Equality, order and hash look at the amount only, not at how it was written."""

    nano: int
    """The amount in units of 10^-9."""
    format: Format = Format.DECIMAL_SI

    def milli(self) -> int:
        """The amount in thousandths, rounded up (away from zero)."""
        return _divide_away(self.nano, 10**6)

    def value(self) -> int:
        """The amount in whole units, rounded up (away from zero)."""
        return _divide_away(self.nano, NANO)

    def is_zero(self) -> bool:
        """Whether the amount is 0."""
        return self.nano == 0

    def __float__(self) -> float:
        return self.nano / NANO

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano + other.nano, other.format if self.nano == 0 else self.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano - other.nano, other.format if self.nano == 0 else self.format)

    def __mul__(self, factor: int) -> Quantity:
        return Quantity(self.nano * factor, self.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nano, self.format)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.nano == other.nano

    def __lt__(self, other: Quantity) -> bool:
        return self.nano < other.nano

    def __hash__(self) -> int:
        return hash(self.nano)

    def __str__(self) -> str:
        if self.nano == 0:
            return "0"
        if self.format is Format.BINARY_SI and abs(self.nano) >= 1024 * NANO and self.nano % NANO == 0:
            return _binary_text(self.nano // NANO)
        return _decimal_text(self.nano, exponent=self.format is Format.DECIMAL_EXPONENT)


@functools.lru_cache(maxsize=4096, typed=True)
def parse(text: str | int | float) -> Quantity:
    """The quantity of a text, or of a JSON number (clients may send `cpu: 1`). QuantityError when it is none.

    The same few texts come again and again, so their quantities, which never change, are remembered.
    """
    if isinstance(text, bool):
        raise QuantityError(WRONG_FORMAT)
    if isinstance(text, int):
        return _capped(text * NANO, Format.DECIMAL_SI)
    if isinstance(text, float):
        text = repr(text)
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise QuantityError(WRONG_FORMAT)
    sign, whole, fraction, suffix = match.groups()
    if not whole and not fraction:
        raise QuantityError(WRONG_NUMBER if text and not suffix else WRONG_FORMAT)
    digits = int((whole or "") + (fraction or ""))
    scale = -len(fraction or "")
    numerator, denominator = digits * NANO * 10 ** max(scale, 0), 10 ** max(-scale, 0)
    form = Format.DECIMAL_SI
    if suffix in _BINARY:
        form = Format.BINARY_SI
        numerator *= 1024 ** _BINARY[suffix]
    elif suffix in _DECIMAL:
        power = _DECIMAL[suffix]
        numerator, denominator = numerator * 10 ** max(power, 0), denominator * 10 ** max(-power, 0)
    elif (exponent := _EXPONENT.fullmatch(suffix)) is not None:
        form = Format.DECIMAL_EXPONENT
        power = max(min(int(exponent[1]), 40), -10 - len(str(digits)))  # beyond this the cap and the nano decide
        numerator, denominator = numerator * 10 ** max(power, 0), denominator * 10 ** max(-power, 0)
    else:
        raise QuantityError(WRONG_SUFFIX)
    nano = -(-numerator // denominator)  # up: something asked for is never nothing
    if form is Format.BINARY_SI and 0 < nano < NANO:
        form = Format.DECIMAL_SI
    return _capped(-nano if sign == "-" else nano, form)


def parse_or_zero(text: str | int | float | None) -> Quantity:
    """As `parse`, 0 for None."""
    return ZERO if text is None else parse(text)


def from_milli(milli: int, format: Format = Format.DECIMAL_SI) -> Quantity:
    """The quantity of so many thousandths."""
    return Quantity(milli * 10**6, format)


def from_value(value: int, format: Format = Format.DECIMAL_SI) -> Quantity:
    """The quantity of so many whole units."""
    return Quantity(value * NANO, format)


def canonical(text: str | int | float) -> str:
    """The text that Kubernetes stores for this one: `"1000m"` -> `"1"`. QuantityError when it is no quantity."""
    return str(parse(text))


ZERO = Quantity(0)


def _capped(nano: int, form: Format) -> Quantity:
    return Quantity(max(-_MAX, min(_MAX, nano)), form)


def _divide_away(number: int, by: int) -> int:
    return number // by if number < 0 else -(-number // by)


def _binary_text(value: int) -> str:
    power = 0
    while power < 6 and value % 1024 == 0:
        value //= 1024
        power += 1
    return f"{value}{_BINARY_SUFFIX[power]}"


def _decimal_text(nano: int, *, exponent: bool) -> str:
    number, power = nano, -9
    while power < 18 and number % 1000 == 0:
        number //= 1000
        power += 3
    if exponent:
        return f"{number}e{power}" if power else str(number)
    return f"{number}{_DECIMAL_SUFFIX[power]}"
