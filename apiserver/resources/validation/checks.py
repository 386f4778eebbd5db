"""Checks that many kinds share, each of one value at one path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from machinery.errors import IMMUTABLE, FieldError
from machinery.objects.names import is_label_key, is_label_value, is_percent, is_port_name, is_port_number
from machinery.objects.quantity import Quantity, QuantityError, parse

Object = dict[str, Any]
Errors = list[FieldError]

NOT_NEGATIVE = "must be greater than or equal to 0"
POSITIVE = "must be greater than zero"
ID_RANGE = "must be between 0 and 2147483647, inclusive"
NOT_AN_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NOT_A_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
MAX_INT32 = 2**31 - 1


def indexed(path: str, values: Iterable[Any] | None) -> Iterator[tuple[str, Any]]:
    """The items of a list with their paths."""
    for index, value in enumerate(values or ()):
        yield f"{path}[{index}]", value


def text(path: str, value: str | None, check: Callable[[str], list[str]]) -> Errors:
    """A text that a name rule judges; "" is judged too."""
    return [FieldError.invalid(path, value or "", problem) for problem in check(value or "")]


def required(path: str, value: Any, check: Callable[[str], list[str]] | None = None) -> Errors:
    """A field that must be there, and then pass a name rule."""
    if value in (None, "", []):
        return [FieldError.required(path)]
    return text(path, value, check) if check is not None else []


def one_of(path: str, value: Any, supported: Iterable[str], *, optional: bool = False) -> Errors:
    """A member of an enumeration. Absent is an error unless `optional`."""
    supported = tuple(supported)
    if value in (None, ""):
        return [] if optional else [FieldError.required(path)]
    return [] if value in supported else [FieldError.not_supported(path, value, supported)]


def not_negative(path: str, value: int | None) -> Errors:
    return [FieldError.invalid(path, value, NOT_NEGATIVE)] if value is not None and value < 0 else []


def not_negatives(path: str, obj: Mapping[str, Any], *keys: str) -> Errors:
    return [error for key in keys for error in not_negative(f"{path}.{key}", obj.get(key))]


def int_or_percent(path: str, value: Any) -> Errors:
    """A number that is not negative, or a percentage."""
    if isinstance(value, str):
        return text(path, value, is_percent)
    return not_negative(path, value)


def at_most_all(path: str, value: Any) -> Errors:
    """A percentage of no more than 100."""
    if isinstance(value, str) and not is_percent(value) and int(value[:-1]) > 100:
        return [FieldError.invalid(path, value, "must not be greater than 100%")]
    return []


def is_zero(value: Any) -> bool:
    """Whether a number or percentage amounts to nothing."""
    return value == 0 or (isinstance(value, str) and not is_percent(value) and int(value[:-1]) == 0)


def port_number(path: str, value: int) -> Errors:
    return [FieldError.invalid(path, value, problem) for problem in is_port_number(value)]


def port(path: str, value: Any) -> Errors:
    """A port by number or by name."""
    if isinstance(value, str):
        return text(path, value, is_port_name)
    return port_number(path, value or 0)


def protocol(path: str, value: str | None) -> Errors:
    return one_of(path, value, ("SCTP", "TCP", "UDP"))


def ip(path: str, value: str) -> Errors:
    try:
        ip_address(value)
    except ValueError:
        return [FieldError.invalid(path, value, NOT_AN_IP)]
    return []


def cidr(path: str, value: str) -> Errors:
    try:
        ip_network(value, strict=False)
        return [] if "/" in value else [FieldError.invalid(path, value, NOT_A_CIDR)]
    except ValueError:
        return [FieldError.invalid(path, value, NOT_A_CIDR)]


def labels(path: str, values: Mapping[str, str] | None) -> Errors:
    errors: Errors = []
    for key, value in (values or {}).items():
        errors += text(path, key, is_label_key)
        errors += text(path, value, is_label_value)
    return errors


def set_operator(at: str, operator: str, values: Sequence[Any]) -> Errors:
    """A requirement's operator, and whether it has values as it needs them."""
    if operator in ("In", "NotIn"):
        needed = "must be specified when `operator` is 'In' or 'NotIn'"
        return [] if values else [FieldError.required(f"{at}.values", needed)]
    if operator in ("Exists", "DoesNotExist"):
        unwanted = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        return [FieldError.forbidden(f"{at}.values", unwanted)] if values else []
    return [FieldError.invalid(f"{at}.operator", operator, "not a valid selector operator")]


def label_selector(path: str, selector: Mapping[str, Any] | None) -> Errors:
    """A LabelSelector; None is the absent one and good."""
    if not selector:
        return []
    errors = labels(f"{path}.matchLabels", selector.get("matchLabels"))
    for at, requirement in indexed(f"{path}.matchExpressions", selector.get("matchExpressions")):
        values = requirement.get("values") or []
        operator = requirement.get("operator")
        errors += set_operator(at, operator or "", values)
        errors += text(f"{at}.key", requirement.get("key"), is_label_key)
        for value_at, value in indexed(f"{at}.values", values):
            errors += text(value_at, value, is_label_value)
    return errors


def is_empty_selector(selector: Mapping[str, Any] | None) -> bool:
    """Whether a selector is there and says nothing: it would select everything."""
    return selector is not None and not selector.get("matchLabels") and not selector.get("matchExpressions")


def immutable(path: str, value: Any, old: Any) -> Errors:
    """A field that keeps its first value."""
    return [] if value == old else [FieldError.invalid(path, value, IMMUTABLE)]


def quantity(path: str, value: Any) -> tuple[Quantity | None, Errors]:
    """An amount that is not negative. None when it is no quantity."""
    try:
        amount = parse(value)
    except (QuantityError, TypeError) as error:
        return None, [FieldError.invalid(path, value, str(error))]
    return amount, [FieldError.invalid(path, str(amount), NOT_NEGATIVE)] if amount.nano < 0 else []
