"""What the API answers when it does not do what was asked: `ApiError` and the Kubernetes `Status` it travels as.

    ApiError(code, reason, message, details)
    ├── BadRequest 400        ├── Conflict 409           ├── TooManyRequests 429
    ├── Unauthorized 401      ├── AlreadyExists 409      ├── InternalError 500
    ├── Forbidden 403         ├── Gone 410 (Expired)     ├── NotImplementedByServer 501
    ├── NotFound 404          ├── RequestTooLarge 413    ├── ServiceUnavailable 503
    ├── MethodNotAllowed 405  ├── UnsupportedMedia 415   └── Timeout 504
    ├── NotAcceptable 406     └── Invalid 422

The servers raise these and each edge turns them into HTTP or gRPC; the clients turn the answer back into the same
exceptions, so that code on either side reads alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from machinery.objects.gvk import GVK, GVR


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field, as `field.Error` upstream. Made by the class methods, in upstream's words.

    reason: the machine's word, a FieldValue… cause type (`FieldValueInvalid`, `FieldValueRequired`, …).
    message: the full text without the field's path ("Invalid value: -1: must be greater than or equal to 0").
    """

    field: str
    reason: str
    message: str

    @classmethod
    def required(cls, field: str, detail: str = "") -> FieldError:
        """The field is absent or empty and must not be."""
        return cls(field, "FieldValueRequired", _said("Required value", detail))

    @classmethod
    def invalid(cls, field: str, value: Any, detail: str) -> FieldError:
        """The value is malformed or out of bounds."""
        return cls(field, "FieldValueInvalid", _said(f"Invalid value: {_shown(value)}", detail))

    @classmethod
    def type_invalid(cls, field: str, value: Any, detail: str) -> FieldError:
        """The value is not of the type that a custom resource's schema names."""
        return cls(field, "FieldValueTypeInvalid", _said(f"Invalid value: {_shown(value)}", detail))

    @classmethod
    def not_supported(cls, field: str, value: Any, supported: Iterable[str]) -> FieldError:
        """The value is none of an enumeration."""
        listed = ", ".join(_shown(each) for each in supported)
        detail = f"supported values: {listed}" if listed else ""
        return cls(field, "FieldValueNotSupported", _said(f"Unsupported value: {_shown(value)}", detail))

    @classmethod
    def duplicate(cls, field: str, value: Any) -> FieldError:
        """The value must be unique in its list."""
        return cls(field, "FieldValueDuplicate", f"Duplicate value: {_shown(value)}")

    @classmethod
    def not_found(cls, field: str, value: Any) -> FieldError:
        """The value refers to something that is not there."""
        return cls(field, "FieldValueNotFound", f"Not found: {_shown(value)}")

    @classmethod
    def forbidden(cls, field: str, detail: str) -> FieldError:
        """The value would be good elsewhere or at another time."""
        return cls(field, "FieldValueForbidden", _said("Forbidden", detail))

    @classmethod
    def too_long(cls, field: str, limit: int) -> FieldError:
        """The text is longer than `limit` bytes; the value itself is not repeated."""
        return cls(field, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")

    @classmethod
    def too_many(cls, field: str, count: int, limit: int) -> FieldError:
        """The list has more than `limit` items."""
        return cls(field, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def _said(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what


def _shown(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


IMMUTABLE = "field is immutable"
"""The detail of `FieldError.invalid` for a field that cannot change after creation."""


class ApiError(Exception):
    """An answer other than success. `details` is the Status's details, without causes' aggregation."""

    code = 500
    reason = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        reason: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if reason is not None:
            self.reason = reason
        self.details: Mapping[str, Any] = details or {}

    def status(self) -> dict[str, Any]:
        """The v1 Status that a server answers."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            status["details"] = dict(self.details)
        return status

    @property
    def retry_after(self) -> int:
        """Seconds after which asking again makes sense; 0 when the server named none."""
        return int(self.details.get("retryAfterSeconds", 0))


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class Conflict(ApiError):
    code, reason = 409, "Conflict"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Gone(ApiError):
    """The resourceVersion is too old: list again. Reason `Expired`, as etcd's compaction causes it."""

    code, reason = 410, "Expired"


class RequestTooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    code, reason = 500, "InternalError"


class NotImplementedByServer(ApiError):
    code, reason = 501, "NotImplemented"


class ServiceUnavailable(ApiError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    code, reason = 504, "Timeout"


_BY_REASON: Mapping[str, type[ApiError]] = {
    cls.reason: cls
    for cls in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, Conflict, AlreadyExists, Gone,
        RequestTooLarge, UnsupportedMediaType, Invalid, TooManyRequests, InternalError, NotImplementedByServer,
        ServiceUnavailable, Timeout,
    )
}  # fmt: skip


_BY_CODE: Mapping[int, type[ApiError]] = {
    cls.code: cls for cls in reversed(list(_BY_REASON.values())) if cls is not AlreadyExists
}


def from_status(status: Mapping[str, Any]) -> ApiError:
    """The exception for a Status that a server answered."""
    reason = str(status.get("reason") or "")
    code = int(status.get("code") or 500)
    cls = _BY_REASON.get(reason) or (None if reason else _BY_CODE.get(code)) or ApiError
    return cls(str(status.get("message") or ""), code=code, reason=reason, details=status.get("details"))


def not_found(resource: GVR, name: str) -> NotFound:
    return NotFound(
        f'{resource.group_resource} "{name}" not found', details=_details(resource.group, resource.resource, name)
    )


def already_exists(resource: GVR, name: str) -> AlreadyExists:
    return AlreadyExists(
        f'{resource.group_resource} "{name}" already exists', details=_details(resource.group, resource.resource, name)
    )


def conflict(resource: GVR, name: str, why: str) -> Conflict:
    return Conflict(
        f'Operation cannot be fulfilled on {resource.group_resource} "{name}": {why}',
        details=_details(resource.group, resource.resource, name),
    )


STALE = "the object has been modified; please apply your changes to the latest version and try again"


def forbidden(resource: GVR, name: str, why: str) -> Forbidden:
    quoted = f' "{name}"' if name else ""
    return Forbidden(
        f"{resource.group_resource}{quoted} is forbidden: {why}",
        details=_details(resource.group, resource.resource, name),
    )


def invalid(kind: GVK, name: str, errors: Sequence[FieldError]) -> Invalid:
    """The 422 that lists what is wrong, field by field, in upstream's words."""
    qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    said = _aggregate(str(error) for error in errors)
    details = _details(kind.group, kind.kind, name)
    details["causes"] = [{"reason": error.reason, "message": error.message, "field": error.field} for error in errors]
    return Invalid(f'{qualified} "{name}" is invalid: {said}', details=details)


def _aggregate(messages: Iterable[str]) -> str:
    unique = list(dict.fromkeys(messages))
    return unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"


def _details(group: str, kind: str, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    return details


def method_not_supported(resource: GVR, verb: str) -> MethodNotAllowed:
    """The resource exists and has no such verb."""
    return MethodNotAllowed(
        f'{verb} is not supported on resources of kind "{resource.group_resource}"',
        details=_details(resource.group, resource.resource, ""),
    )


def no_such_resource() -> NotFound:
    """No kind is served at this path: clients take it as "not in this cluster", unlike `not_found`."""
    return NotFound("the server could not find the requested resource")


def undecodable(kind: GVK, why: str) -> BadRequest:
    """The body cannot be read as an object of this kind."""
    return BadRequest(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}')


def strict_decoding(problems: Sequence[str]) -> str:
    """What `undecodable` says of unknown and duplicate fields."""
    return f"strict decoding error: {', '.join(problems)}"


def expired(asked: int | str, oldest: int | str) -> Gone:
    """The resourceVersion is no longer in the history: the client must list again."""
    return Gone(f"too old resource version: {asked} ({oldest})")


def too_large_version(asked: int, current: int) -> Timeout:
    """The resourceVersion is of the future; the client may ask again, a little later."""
    return Timeout(
        f"Too large resource version: {asked}, current: {current}",
        details={
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
    )


def apply_conflict(conflicts: Sequence[tuple[str, str]]) -> Conflict:
    """Server-side apply met fields of other managers: (manager, field path) of each.

    The manager comes as it is shown: `"kubectl-edit" using apps/v1`.
    """
    by_manager: dict[str, list[str]] = {}
    for manager, path in conflicts:
        by_manager.setdefault(manager, []).append(path)
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        said = f"conflict with {manager}: {path}"
    else:
        parts = []
        for manager in sorted(by_manager):
            listed = "\n".join(f"- {path}" for path in by_manager[manager])
            parts.append(f"conflicts with {manager}:\n{listed}")
        said = "\n".join(parts)
    plural = "" if len(conflicts) == 1 else "s"
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path}
        for manager, path in conflicts
    ]
    return Conflict(f"Apply failed with {len(conflicts)} conflict{plural}: {said}", details={"causes": causes})


def too_many_requests(message: str, *, retry_after: int = 1) -> TooManyRequests:
    """Ask again after so many seconds."""
    return TooManyRequests(message, details={"retryAfterSeconds": retry_after})


def request_too_large(limit: int) -> RequestTooLarge:
    """The body has more than `limit` bytes."""
    return RequestTooLarge(f"Request entity too large: limit is {limit}")


def unauthorized() -> Unauthorized:
    """Nobody knows who asks."""
    return Unauthorized("Unauthorized")
