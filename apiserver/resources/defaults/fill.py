"""Filling in: what "left out" means. A null counts as absent, and so does an empty text, as for a Go client."""

from __future__ import annotations

from typing import Any

from machinery.objects.quantity import QuantityError, parse

Object = dict[str, Any]


def fill(obj: Object, key: str, value: Any) -> None:
    """Set `obj[key]` when it is absent, null or ""."""
    if obj.get(key) in (None, ""):
        obj[key] = value


def fill_zero(obj: Object, key: str, value: Any) -> None:
    """As `fill`, and 0 counts as absent too."""
    if not obj.get(key):
        obj[key] = value


def section(obj: Object, key: str) -> Object:
    """The object at `obj[key]`, made when it is absent or null."""
    found = obj.get(key)
    if found is None:
        found = obj[key] = {}
    part: Object = found
    return part


def items(obj: Object, key: str) -> list[Object]:
    """The list of objects at `obj[key]`; an empty one when it is absent or null."""
    return obj.get(key) or []


def quantities(obj: Object, *keys: str) -> None:
    """Bring the maps of resource quantities at these keys to canonical form, at a thousandth's precision.

    Text that is no quantity stays for validation to report.
    """
    for key in keys:
        amounts: Object = obj.get(key) or {}
        for resource, amount in amounts.items():
            amounts[resource] = canonical(amount)


def canonical(amount: Any) -> Any:
    """The canonical text of a quantity, rounded up to a thousandth; what is no quantity comes back as it is."""
    try:
        quantity = parse(amount)
    except (QuantityError, TypeError):
        return amount
    if quantity.nano % 10**6:
        quantity = type(quantity)(quantity.milli() * 10**6, quantity.format)
    return str(quantity)
