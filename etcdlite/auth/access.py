"""Who calls, and whether they may: what the services ask before they act.

While authentication is off, each question costs one look at a flag. A caller is who their token says, else, where
client certificates are demanded, who their certificate says; else nobody. A question about keys is answered by a
check for the store to make in the step that applies the operation, so that no permission can be taken away in between.

Source: etcd's `server/auth/store.go` (AuthInfoFromCtx, AuthInfoFromTLS) and `server/etcdserver/v3_server.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from etcdlite.auth import check
from etcdlite.auth.check import NOBODY, Caller
from etcdlite.auth.state import READ, WRITE, AuthState
from etcdlite.auth.tokens import Tokens
from etcdlite.errors import AuthError, AuthOldRevision, InvalidAuthToken, PermissionDenied, UserEmpty
from etcdlite.parts import Parts
from etcdlite.store.leases import Lease
from etcdlite.store.store import Check
from machinery.rpc.api import Call

_REASONS = {
    InvalidAuthToken: "Unauthenticated",
    AuthOldRevision: "InvalidArgument",
    UserEmpty: "InvalidArgument",
    PermissionDenied: "PermissionDenied",
}
"""How etcd writes the codes of what a watch is refused for."""


class Access:
    """certificate_names: whether the common name of a client's certificate says who they are."""

    def __init__(self, parts: Parts, tokens: Tokens, *, certificate_names: bool) -> None:
        self._parts = parts
        self._tokens = tokens
        self._certificate_names = certificate_names

    def caller(self, call: Call) -> Caller:
        """Who calls, NOBODY when they do not say. For use while authentication is on. Raises InvalidAuthToken."""
        revision = self._parts.store.auth.revision
        token = call.metadata.get("token", call.metadata.get("authorization"))
        if token is not None:
            caller = self._tokens.caller(str(token).removeprefix("Bearer "), revision)
            if caller is None:
                raise InvalidAuthToken
            return caller
        # etcd's gateway from JSON calls with a certificate of its own, which must not lend its name to everybody.
        if self._certificate_names and call.peer is not None and "grpcgateway-accept" not in call.metadata:
            return Caller(call.peer.common_name, revision)
        return NOBODY

    # ---- the server -------------------------------------------------------------------------------------------

    def known(self, call: Call) -> None:
        """For whoever says who they are. Raises UserEmpty, InvalidAuthToken."""
        if self._parts.store.auth.enabled and not self.caller(call).revision:
            raise UserEmpty

    def root(self, call: Call) -> None:
        """For administrators. Raises UserEmpty, UserNotFound, PermissionDenied, InvalidAuthToken."""
        auth = self._parts.store.auth
        if auth.enabled:
            check.root(auth, self.caller(call))

    # ---- keys -------------------------------------------------------------------------------------------------

    def range(self, request: Any, call: Call) -> Check | None:
        """A RangeRequest. Each returns the check to make, None when there is nothing to check."""
        auth = self._parts.store.auth
        if not auth.enabled:
            return None
        return partial(check.may, auth, self.caller(call), request.key, request.range_end, READ)

    def put(self, request: Any, call: Call) -> Check | None:
        """A PutRequest."""
        auth = self._parts.store.auth
        if not auth.enabled:
            return None
        return partial(check.put, auth, self.caller(call), request, self._parts.store.state.leases)

    def delete(self, request: Any, call: Call) -> Check | None:
        """A DeleteRangeRequest."""
        auth = self._parts.store.auth
        if not auth.enabled:
            return None
        return partial(check.delete, auth, self.caller(call), request)

    def txn(self, request: Any, call: Call) -> Check | None:
        """A TxnRequest."""
        auth = self._parts.store.auth
        if not auth.enabled:
            return None
        return partial(check.txn, auth, self.caller(call), request, self._parts.store.state.leases)

    def watch(self, request: Any, call: Call) -> str:
        """Why a WatchCreateRequest is refused, in etcd's words; "" when it is not. It is asked for once, at its
        creation: what is taken away later ends no watch."""
        auth = self._parts.store.auth
        if not auth.enabled:
            return ""
        try:
            check.may(auth, self.caller(call), request.key or b"\0", request.range_end, READ)
        except AuthError as error:
            return f"rpc error: code = {_REASONS[type(error)]} desc = {error.message}"
        return ""

    # ---- leases -----------------------------------------------------------------------------------------------

    def revoke(self, lease_id: int, call: Call) -> Check | None:
        """Taking a lease away deletes its keys."""
        auth = self._parts.store.auth
        if not auth.enabled:
            return None
        caller = self._known(call)
        return lambda: check.lease_keys(auth, caller, self._lease(lease_id), WRITE)

    def renew(self, lease_id: int, call: Call) -> None:
        """Keeping a lease alive."""
        auth = self._parts.store.auth
        if auth.enabled:
            check.lease_keys(auth, self._known(call), self._lease(lease_id), WRITE)

    def show(self, leases: Iterable[Lease], call: Call) -> None:
        """Telling what keys hang on these leases, or that they exist."""
        auth = self._parts.store.auth
        if auth.enabled:
            check.lease_keys(auth, self._known(call), leases, READ)

    def _lease(self, lease_id: int) -> Iterable[Lease]:
        lease = self._parts.store.state.leases.get(lease_id)
        return () if lease is None else (lease,)

    def _known(self, call: Call) -> Caller:
        caller = self.caller(call)
        if not caller.revision:
            raise UserEmpty
        return caller

    # ---- users and roles --------------------------------------------------------------------------------------

    def own(self, call: Call, *, user: str = "", role: str | None = None) -> None:
        """A user may ask about themselves and about the roles they have; administrators about all. Raises as `root`."""
        auth = self._parts.store.auth
        if not auth.enabled:
            return
        caller = self.caller(call)
        mine = caller.name == user if role is None else _has_role(auth, caller, role)
        if not mine:
            check.root(auth, caller)


def _has_role(auth: AuthState, caller: Caller, role: str) -> bool:
    user = auth.find(caller.name)
    return user is not None and role in user.roles
