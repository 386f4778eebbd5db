"""A request as the verbs see it, whichever edge it came in by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apiserver.resources.spec import ResourceSpec


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Who asks, after authentication (authentication.k8s.io/v1 UserInfo)."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class RequestContext:
    """One request to one resource.

    verb: the authorization verb (get list watch create update patch delete deletecollection).
    namespace: "" for cluster scope and for all namespaces.
    name: "" for collections and for creates that have none in the URL.
    subresource: "" for the object itself.
    received: when the request came in, as RFC 3339 text; what strategies stamp.
    misread: what a strict reader holds against the body as it came, beside unknown fields: keys that come twice.
    warnings: what the answer will warn of; admission, strategies and field validation append.
    """

    spec: ResourceSpec
    verb: str
    user: UserInfo
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = "Warn"
    request_id: str = ""
    user_agent: str = ""
    received: str = ""
    misread: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)


@dataclass(frozen=True, slots=True)
class Written:
    """What a write verb answers: the object's bytes with its resourceVersion in them."""

    body: bytes
    created: bool = False
    obj: dict[str, Any] | None = None
