"""What a request to read says besides which resource: meta/v1 ListOptions, checked.

Both edges build these from what they got (a query string, a message); `check_list` and `check_watch` hold the rules of
upstream's ValidateListOptions, so that a wrong combination gets the same 422 by either edge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from machinery.errors import BadRequest, FieldError, invalid
from machinery.objects.gvk import GVK

LIST_OPTIONS = GVK("meta.k8s.io", "", "ListOptions")
_MATCHES = ("Exact", "NotOlderThan")
_UNSIGNED = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What to list. Selectors are texts as the user wrote them; "" selects everything.

    resource_version: "" the newest state; "0" any state at hand; else as `resource_version_match` says.
    limit: objects per page; 0 is all. continue_token: of the page before; "" starts.
    send_initial_events: what only a watch may ask for; here it is refused.
    """

    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    limit: int = 0
    continue_token: str = ""
    send_initial_events: bool | None = None


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What to follow.

    resource_version: events after it; "" or "0" begins with an ADDED event per object that exists.
    send_initial_events: True begins with ADDED events and a bookmark that marks their end; None leaves it to
        `resource_version`.
    timeout_seconds: after which the stream ends; 0 lets the server choose 30 to 60 minutes.
    """

    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    allow_bookmarks: bool = False
    send_initial_events: bool | None = None
    timeout_seconds: int = 0


class WatchItem(NamedTuple):
    """type: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR. object: its JSON (a Table or PartialObjectMetadata when that
    was asked for; a Status for ERROR)."""

    type: str
    object: bytes


def check_list(options: ListOptions) -> None:
    """Raises Invalid for options that contradict each other."""
    match, version = options.resource_version_match, options.resource_version
    errors = []
    if match:
        if not version:
            errors.append(_forbidden_match("resourceVersionMatch is forbidden unless resourceVersion is provided"))
        if options.continue_token:
            errors.append(_forbidden_match("resourceVersionMatch is forbidden when continue is provided"))
        if match not in _MATCHES:
            errors.append(_unsupported(match))
        if match == "Exact" and version == "0":
            errors.append(_forbidden_match('resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    if options.send_initial_events is not None:
        errors.append(FieldError.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if errors:
        raise invalid(LIST_OPTIONS, "", errors)


def check_watch(options: WatchOptions) -> None:
    """Raises Invalid for options that contradict each other."""
    match, wanted = options.resource_version_match, options.send_initial_events
    errors = []
    if wanted is not None and not match:
        errors.append(_forbidden_match("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    if match:
        if wanted is None:
            errors.append(
                _forbidden_match("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
            )
        if match != "NotOlderThan":
            errors.append(_unsupported(match, supported=("NotOlderThan",)))
    if errors:
        raise invalid(LIST_OPTIONS, "", errors)


def parse_version(text: str) -> int:
    """A resourceVersion as a store revision; "" is 0. Raises BadRequest for anything but digits."""
    if not text:
        return 0
    if not _UNSIGNED.fullmatch(text):
        raise BadRequest(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    version = int(text)
    if version >= 2**64:
        why = f'strconv.ParseUint: parsing "{text}": value out of range'
        raise BadRequest(f'resourceVersion: Invalid value: "{text}": {why}')
    return min(version, 2**63 - 1)  # as far as the store counts, which is as good as never


def _forbidden_match(message: str) -> FieldError:
    return FieldError("resourceVersionMatch", "FieldValueForbidden", f"Forbidden: {message}")


def _unsupported(match: str, *, supported: tuple[str, ...] = ("Exact", "NotOlderThan", "")) -> FieldError:
    values = ", ".join(f'"{each}"' for each in supported)
    return FieldError(
        "resourceVersionMatch", "FieldValueNotSupported", f'Unsupported value: "{match}": supported values: {values}'
    )
