"""Query parameters -> options, with upstream's rules for what parses and what is refused.

Values that do not parse are a 400 with Go's words; values that parse and contradict are a 422 that names the options.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from apiserver.verbs.options import ListOptions, WatchOptions
from machinery.errors import BadRequest, FieldError, invalid
from machinery.objects.gvk import GVK

Query = Mapping[str, Sequence[str]]

NO_QUERY: Query = {}
_BROKEN_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_FIELD_VALIDATION = ("", "Ignore", "Strict", "Warn")
_PROPAGATION = ("Background", "Foreground", "Orphan")
_MANAGER_LENGTH = 128


def parse(text: str) -> Query:
    """A query string, values in order; a parameter without `=` is ""."""
    if not text:
        return NO_QUERY
    if "%" in text:  # a pair with a broken escape counts for nothing, as in Go
        text = "&".join(pair for pair in text.split("&") if not _BROKEN_ESCAPE.search(pair))
    return parse_qs(text, keep_blank_values=True)


def first(query: Query, name: str) -> str:
    values = query.get(name)
    return values[0] if values else ""


def boolean(query: Query, name: str) -> bool:
    """A flag: absent, `false` and `0` are False; anything else, also nothing after the name, is True."""
    values = query.get(name)
    return values is not None and values[0].lower() not in ("false", "0")


def integer(query: Query, name: str) -> int | None:
    """None when it is absent. Raises BadRequest for what is no number of 64 bits."""
    if name not in query:
        return None
    text = first(query, name)
    if _INTEGER.fullmatch(text) is None:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value


def list_options(query: Query) -> ListOptions:
    if not query:
        return ListOptions()
    integer(query, "timeoutSeconds")  # a list does not take it, and refuses what is none
    return ListOptions(
        label_selector=first(query, "labelSelector"),
        field_selector=first(query, "fieldSelector"),
        resource_version=first(query, "resourceVersion"),
        resource_version_match=first(query, "resourceVersionMatch"),
        limit=max(0, integer(query, "limit") or 0),
        continue_token=first(query, "continue"),
        send_initial_events=boolean(query, "sendInitialEvents") if "sendInitialEvents" in query else None,
    )


def watch_options(query: Query, *, name: str = "") -> WatchOptions:
    """name: of the one object that a path with the deprecated `watch/` prefix follows."""
    integer(query, "limit")
    selectors = [first(query, "fieldSelector"), f"metadata.name={name}" if name else ""]
    return WatchOptions(
        label_selector=first(query, "labelSelector"),
        field_selector=",".join(filter(None, selectors)),
        resource_version=first(query, "resourceVersion"),
        resource_version_match=first(query, "resourceVersionMatch"),
        allow_bookmarks=boolean(query, "allowWatchBookmarks"),
        send_initial_events=boolean(query, "sendInitialEvents") if "sendInitialEvents" in query else None,
        timeout_seconds=max(0, integer(query, "timeoutSeconds") or 0),
    )


def include_object(query: Query) -> str:
    """What each row of a Table carries. Raises BadRequest."""
    text = first(query, "includeObject")
    if text not in ("", "None", "Metadata", "Object"):
        raise BadRequest(f'unrecognized includeObject value: "{text}"')
    return text or "Metadata"


def check_write(query: Query, verb: str, *, apply: bool = False) -> None:
    """The rules of CreateOptions, UpdateOptions and PatchOptions. Raises Invalid."""
    errors = _dry_run(query.get("dryRun") or ())
    manager = first(query, "fieldManager")
    if len(manager.encode()) > _MANAGER_LENGTH:
        what = f"Too long: may not be more than {_MANAGER_LENGTH} bytes"
        errors.append(FieldError("fieldManager", "FieldValueTooLong", what))
    elif not manager.isprintable():
        what = f'Invalid value: "{manager}": should only contain printable characters'
        errors.append(FieldError("fieldManager", "FieldValueInvalid", what))
    if apply and not manager:
        what = "Required value: is required for apply patch"
        errors.append(FieldError("fieldManager", "FieldValueRequired", what))
    if verb == "patch" and not apply and "force" in query:
        what = "Forbidden: may not be specified for non-apply patch"
        errors.append(FieldError("force", "FieldValueForbidden", what))
    validation = first(query, "fieldValidation")
    if validation not in _FIELD_VALIDATION:
        errors.append(_unsupported("fieldValidation", validation, _FIELD_VALIDATION))
    if errors:
        raise invalid(GVK("meta.k8s.io", "", _KINDS[verb]), "", errors)


def field_manager(query: Query, user_agent: str) -> str:
    """Who writes: as the client says, else what its User-Agent begins with."""
    return first(query, "fieldManager") or user_agent.partition("/")[0][:_MANAGER_LENGTH]


def delete_options(query: Query) -> dict[str, Any]:
    """The DeleteOptions of a request without a body."""
    options: dict[str, Any] = {}
    grace = integer(query, "gracePeriodSeconds")
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if first(query, "propagationPolicy"):
        options["propagationPolicy"] = first(query, "propagationPolicy")
    if "orphanDependents" in query:
        options["orphanDependents"] = boolean(query, "orphanDependents")
    if query.get("dryRun"):
        options["dryRun"] = list(query["dryRun"])
    return options


def check_delete(options: Mapping[str, Any]) -> None:
    """The rules of DeleteOptions. Raises Invalid."""
    errors = []
    policy = options.get("propagationPolicy")
    if policy is not None and options.get("orphanDependents") is not None:
        what = f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both set'
        errors.append(FieldError("propagationPolicy", "FieldValueInvalid", what))
    if policy is not None and policy not in _PROPAGATION:
        errors.append(_unsupported("propagationPolicy", policy, (*_PROPAGATION, "nil")))
    errors += _dry_run(options.get("dryRun") or ())
    if errors:
        raise invalid(GVK("meta.k8s.io", "", "DeleteOptions"), "", errors)


def _dry_run(values: Sequence[str]) -> list[FieldError]:
    return [_unsupported("dryRun", value, ("All",)) for value in values if value != "All"]


def _unsupported(field: str, value: str, supported: Sequence[str]) -> FieldError:
    values = ", ".join(f'"{each}"' for each in supported)
    return FieldError(field, "FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {values}')
