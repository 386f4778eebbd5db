"""A status change as the smallest strategic merge patch. Pure.

Conditions are merged by type and addresses replaced whole, as the API's schema has them; the uid makes sure that the
patch never lands on another pod of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LISTS_BY_KEY = ("podIPs", "hostIPs")  # merged by the API unless told to replace


def status_patch(uid: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any] | None:
    """The body of the PATCH, None when nothing changed."""
    changes: dict[str, Any] = {}
    for key, value in after.items():
        old = before.get(key)
        if value == old:
            continue
        if key == "conditions":
            held = {each.get("type"): each for each in old or ()}
            changes[key] = [each for each in value if held.get(each["type"]) != each]
        elif key in _LISTS_BY_KEY and old:
            changes[key] = [{"$patch": "replace"}, *value]
        else:
            changes[key] = value
    changes |= {key: None for key in before if key not in after}
    return {"metadata": {"uid": uid}, "status": changes} if changes else None
