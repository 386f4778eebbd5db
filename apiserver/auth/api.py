"""What the rest of the server asks of authentication and authorization.

An edge turns what it has (a TLS peer, headers, gRPC metadata) into `Credentials`, asks the `Authenticator` who that is,
and hands the `UserInfo` to the verbs. The verbs ask the `Authorizer` once per request, before anything else, and again
where a request implies a second right (`update` when an apply creates, `bind` when a binding is written).

Decisions are synchronous: they read only what the watch caches hold in memory, so nothing can change while a decision
is made. Looking up an identity may verify signatures and is asynchronous.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from apiserver.verbs.context import RequestContext, UserInfo
from machinery.objects.gvk import GVR
from machinery.rpc.api import Peer

Object = dict[str, Any]

ANONYMOUS = "system:anonymous"
UNAUTHENTICATED = "system:unauthenticated"
AUTHENTICATED = "system:authenticated"
MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class Impersonation:
    """The `Impersonate-*` headers. user "" with anything else set is refused, as upstream."""

    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request proves. peer: a verified client certificate or an in-process identity. bearer: the token of
    `Authorization: Bearer`, "" when there is none."""

    peer: Peer | None = None
    bearer: str = ""
    impersonate: Impersonation | None = None


@dataclass(frozen=True, slots=True)
class Attributes:
    """What authorization decides on: a request to a resource, or to a path (then `resource` is "")."""

    user: UserInfo
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """allowed: the request may go on. denied: some authorizer refused it outright (no later one was asked).
    reason: for people; "" when there is nothing to say."""

    allowed: bool
    reason: str = ""
    denied: bool = False


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """token: a signed JWT. expires: RFC 3339, for `status.expirationTimestamp`."""

    token: str
    expires: str


class Authenticator(Protocol):
    """Who asks."""

    async def authenticate(self, credentials: Credentials) -> UserInfo:
        """The user, impersonation applied. Without credentials: the anonymous user.

        Raises Unauthorized for credentials that do not verify (or for none, when anonymous requests are off) and
        Forbidden for an impersonation that the caller has no right to."""

    async def authenticate_token(self, token: str, *, audiences: Sequence[str]) -> tuple[UserInfo, tuple[str, ...]]:
        """The user of a bearer token and the audiences it is good for, among `audiences` (empty: the server's own).

        Raises Unauthorized."""


class Authorizer(Protocol):
    """Who may what."""

    def authorize(self, attributes: Attributes) -> Decision:
        """The first authorizer with an opinion decides; none is a refusal with their reasons."""

    def rules(self, user: UserInfo, namespace: str) -> tuple[Sequence[Object], Sequence[Object]]:
        """(resourceRules, nonResourceRules) that `user` has in a namespace, as SelfSubjectRulesReview lists them."""


class TokenIssuer(Protocol):
    """Signs service-account tokens."""

    def issue(
        self, account: Object, spec: Mapping[str, Any], *, bound: Object | None, node: Object | None
    ) -> IssuedToken:
        """A token for a ServiceAccount as a TokenRequest's `spec` (with defaults filled in) asks for it.

        bound: the Pod, Secret or Node that `spec.boundObjectRef` names; node: the bound pod's Node, when it has one."""

    def jwks(self) -> Object:
        """The verification keys, as /openid/v1/jwks publishes them."""

    def openid_configuration(self) -> Object:
        """The discovery document of /.well-known/openid-configuration."""


class Reviews(Protocol):
    """Answers the kinds that are questions: TokenReview, SubjectAccessReview and their Self and Local forms,
    SelfSubjectRulesReview, SelfSubjectReview; and `serviceaccounts/token`."""

    async def answer(self, context: RequestContext, obj: Object) -> Object:
        """The review with its `status`. `context.spec` and `context.subresource` say which. Raises Invalid, BadRequest,
        NotFound (a token for an account that is not there)."""


class PrivilegeGuard(Protocol):
    """Nobody writes a role or binding that grants more than they have themselves."""

    def check(self, context: RequestContext, obj: Object, old: Object | None) -> None:
        """Called on create and update of rbac.authorization.k8s.io kinds, before the write. Raises Forbidden."""


Listener = Callable[[str, Object], None]
"""Called with ("ADDED" | "MODIFIED" | "DELETED", the object; on DELETED its last state)."""


class Caches(Protocol):
    """The watch caches as authentication and authorization read them: in memory and synchronous, but for `fetch`."""

    def get(self, resource: GVR, namespace: str, name: str) -> Object | None:
        """The object (read-only), or None."""

    async def fetch(self, resource: GVR, namespace: str, name: str) -> Object | None:
        """The object as it is stored now, whatever the cache has seen; None when there is none."""

    def list(self, resource: GVR, namespace: str = "") -> Iterable[Object]:
        """Every object of a kind, of one namespace when it is named."""

    def keep(self, resource: GVR) -> None:
        """Have the cache of a kind loaded, now and after every restart, for `get` and `list`."""

    def subscribe(self, resource: GVR, listener: Listener) -> Callable[[], None]:
        """Call `listener` with ADDED for every object that is there (now, or when the cache has loaded), then with
        every change, in order, as the cache takes it in. A cache that loads anew tells only differences.
        Answers what ends the subscription."""
