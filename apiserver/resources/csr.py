"""The strategy of CertificateSigningRequests: the server says who asked; approval and signing are written apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiserver.resources.strategy import Strategy, keep
from apiserver.resources.validation import certificates as validation
from machinery.errors import FieldError

if TYPE_CHECKING:
    from apiserver.verbs.context import RequestContext

Object = dict[str, Any]

_DECISIONS = ("Approved", "Denied")


class CsrStrategy(Strategy):
    """CertificateSigningRequests."""

    generation = False
    status_writes_metadata = True
    initial_status: dict[str, Any] = {}  # noqa: RUF012 - read-only by the base's contract: it copies

    def prepare_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_create(context, obj)
        user = context.user
        asker = {
            "username": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
        }
        spec = {key: value for key, value in (obj.get("spec") or {}).items() if key not in asker}
        obj["spec"] = spec | {key: value for key, value in asker.items() if value}

    def prepare_update(self, context: RequestContext, obj: Object, old: Object) -> None:
        super().prepare_update(context, obj, old)
        keep(obj, old, "spec")

    def prepare_status_update(self, context: RequestContext, obj: Object, old: Object) -> None:
        """The signer adds the certificate or a Failed condition; decisions stay as they were."""
        super().prepare_status_update(context, obj, old)
        decided = [each for each in _conditions(old) if each.get("type") in _DECISIONS]
        others = [each for each in _conditions(obj) if each.get("type") not in _DECISIONS]
        status = obj.setdefault("status", {})
        if decided or others:
            status["conditions"] = _stamped([*decided, *others], _conditions(old), context.received)

    def prepare_subresource(self, context: RequestContext, obj: Object, old: Object) -> None:
        """approval: only the conditions change."""
        decided = _stamped(_conditions(obj), _conditions(old), context.received)
        super().prepare_status_update(context, obj, old)
        obj["status"] = {**(old.get("status") or {})} | ({"conditions": decided} if decided else {})

    def validate_create(self, obj: Object) -> list[FieldError]:
        return validation.csr(obj)

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        return []

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        return validation.csr_status(obj, old)

    def validate_subresource(self, subresource: str, obj: Object, old: Object) -> list[FieldError]:
        return validation.csr_approval(obj, old)


def _conditions(csr: Object) -> list[Object]:
    return (csr.get("status") or {}).get("conditions") or []


def _stamped(conditions: list[Object], before: list[Object], now: str) -> list[Object]:
    """The conditions with times where their writer left them out: a transition keeps the time of what was so before."""
    known = {(each.get("type"), each.get("status")): each.get("lastTransitionTime") for each in before}
    stamped = []
    for condition in conditions:
        since = known.get((condition.get("type"), condition.get("status"))) or now
        times = {"lastUpdateTime": now, "lastTransitionTime": since}
        stamped.append({**{key: value for key, value in times.items() if value}, **_said(condition)})
    return stamped


def _said(condition: Object) -> Object:
    return {key: value for key, value in condition.items() if value is not None}
