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

from machinery.objects.gvk import GVK, GVR


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field, as `field.Error` upstream.

    reason: the machine's word, a FieldValue… cause type (`FieldValueInvalid`, `FieldValueRequired`, …).
    message: the full text without the field's path ("Invalid value: -1: must be greater than or equal to 0").
    """

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


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


def from_status(status: Mapping[str, Any]) -> ApiError:
    """The exception for a Status that a server answered."""
    reason = str(status.get("reason") or "")
    code = int(status.get("code") or 500)
    cls = _BY_REASON.get(reason, ApiError)
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
