"""etcdserverpb.Auth: users, roles, and tokens for passwords.

Every change is durable before it is answered, and in force before that. No password, hash or token is logged.
"""

from __future__ import annotations

import base64
import logging
from typing import Any

from etcdlite.auth.access import Access
from etcdlite.auth.passwords import Passwords, is_hash
from etcdlite.auth.state import AuthState, Permission
from etcdlite.auth.tokens import Tokens
from etcdlite.errors import AuthFailed, AuthNotEnabled, NoPasswordUser, NotServed, PermissionNotGiven
from etcdlite.parts import Parts
from etcdlite.rpc.validate import check_size
from machinery.rpc.api import Call
from protos.pool import messages

pb = messages("etcdserverpb")
log = logging.getLogger(__name__)


class Auth:
    """While authentication is on, all but Authenticate, and asking about oneself, is for administrators.

    max_bytes: limit of a request."""

    def __init__(self, parts: Parts, access: Access, tokens: Tokens, passwords: Passwords, *, max_bytes: int) -> None:
        self._parts = parts
        self._access = access
        self._tokens = tokens
        self._passwords = passwords
        self._max_bytes = max_bytes

    # ---- on and off -------------------------------------------------------------------------------------------

    async def AuthEnable(self, request: Any, call: Call) -> Any:
        self._administrated(request, call).enable()
        return pb.AuthEnableResponse(header=await self._settled("enabled"))

    async def AuthDisable(self, request: Any, call: Call) -> Any:
        self._administrated(request, call).disable()
        self._tokens.clear()
        return pb.AuthDisableResponse(header=await self._settled("disabled"))

    async def AuthStatus(self, request: Any, call: Call) -> Any:
        auth = self._administrated(request, call)
        enabled, revision = auth.enabled, auth.revision
        return pb.AuthStatusResponse(header=await self._settled(), enabled=enabled, authRevision=revision)

    async def Authenticate(self, request: Any, call: Call) -> Any:
        while True:
            auth = self._parts.store.auth
            if not auth.enabled:
                raise AuthNotEnabled
            user = auth.find(request.name)
            if user is None:
                raise AuthFailed
            if user.no_password:
                raise NoPasswordUser
            revision = auth.revision
            if not await self._passwords.match(request.password, user.password):
                log.warning("authentication refused user=%r", user.name)
                raise AuthFailed
            if self._parts.store.auth is auth and auth.revision == revision:
                # What was compared is what counts: nothing changed meanwhile.
                return pb.AuthenticateResponse(header=self._header(), token=self._tokens.assign(user.name, revision))

    # ---- users ------------------------------------------------------------------------------------------------

    async def UserAdd(self, request: Any, call: Call) -> Any:
        self._administrated(request, call)
        no_password = request.options.no_password
        password = b"" if no_password else await self._passwords.hash(request.password)
        self._administrated(request, call).add_user(request.name, password=password, no_password=no_password)
        return pb.AuthUserAddResponse(header=await self._settled("user added", request.name))

    async def UserGet(self, request: Any, call: Call) -> Any:
        self._access.own(call, user=request.name)
        roles = self._parts.store.auth.user(request.name).roles
        return pb.AuthUserGetResponse(header=await self._settled(), roles=roles)

    async def UserList(self, request: Any, call: Call) -> Any:
        names = self._administrated(request, call).user_names()
        return pb.AuthUserListResponse(header=await self._settled(), users=names)

    async def UserDelete(self, request: Any, call: Call) -> Any:
        self._administrated(request, call).delete_user(request.name)
        self._tokens.forget(request.name)
        return pb.AuthUserDeleteResponse(header=await self._settled("user deleted", request.name))

    async def UserChangePassword(self, request: Any, call: Call) -> Any:
        """A request with neither password nor hash leaves the user with a password that nothing matches, as in etcd."""
        user = self._administrated(request, call).user(request.name)
        password = b"" if user.no_password else await self._hash_of(request)
        self._administrated(request, call).change_password(request.name, password)
        self._tokens.forget(request.name)
        return pb.AuthUserChangePasswordResponse(header=await self._settled("password changed", request.name))

    async def UserGrantRole(self, request: Any, call: Call) -> Any:
        self._administrated(request, call).grant_role(request.user, request.role)
        return pb.AuthUserGrantRoleResponse(header=await self._settled("role granted", request.user, request.role))

    async def UserRevokeRole(self, request: Any, call: Call) -> Any:
        self._administrated(request, call).revoke_role(request.name, request.role)
        return pb.AuthUserRevokeRoleResponse(header=await self._settled("role revoked", request.name, request.role))

    # ---- roles ------------------------------------------------------------------------------------------------

    async def RoleAdd(self, request: Any, call: Call) -> Any:
        self._administrated(request, call).add_role(request.name)
        return pb.AuthRoleAddResponse(header=await self._settled("role added", request.name))

    async def RoleGet(self, request: Any, call: Call) -> Any:
        self._access.own(call, role=request.role)
        permissions = [
            {"permType": permission.kind, "key": permission.key, "range_end": permission.range_end}
            for permission in self._parts.store.auth.role(request.role).permissions
        ]
        return pb.AuthRoleGetResponse(header=await self._settled(), perm=permissions)

    async def RoleList(self, request: Any, call: Call) -> Any:
        names = self._administrated(request, call).role_names()
        return pb.AuthRoleListResponse(header=await self._settled(), roles=names)

    async def RoleDelete(self, request: Any, call: Call) -> Any:
        self._administrated(request, call).delete_role(request.role)
        return pb.AuthRoleDeleteResponse(header=await self._settled("role deleted", request.role))

    async def RoleGrantPermission(self, request: Any, call: Call) -> Any:
        auth = self._administrated(request, call)
        if not request.HasField("perm"):
            raise PermissionNotGiven
        given = request.perm
        auth.grant_permission(request.name, Permission(given.permType, given.key, given.range_end))
        return pb.AuthRoleGrantPermissionResponse(header=await self._settled("permission granted", request.name))

    async def RoleRevokePermission(self, request: Any, call: Call) -> Any:
        self._administrated(request, call).revoke_permission(request.role, request.key, request.range_end)
        return pb.AuthRoleRevokePermissionResponse(header=await self._settled("permission revoked", request.role))

    # ---- how --------------------------------------------------------------------------------------------------

    def _administrated(self, request: Any, call: Call) -> AuthState:
        """The state, for somebody who may change it. No await between this and the change."""
        self._access.root(call)
        check_size(request, self._max_bytes)
        return self._parts.store.auth

    async def _hash_of(self, request: Any) -> bytes:
        if request.password:
            return await self._passwords.hash(request.password)
        try:
            hashed = base64.b64decode(request.hashedPassword, validate=True)
        except ValueError:  # no base64, or not even ASCII
            raise NoPasswordUser from None
        if hashed and not is_hash(hashed):
            raise NotServed("etcdlite: hashedPassword is no hash of this store; send the password itself")
        return hashed

    async def _settled(self, what: str = "", *names: str) -> Any:
        """A header, once everything applied so far is durable; and a line in the log for a change."""
        store = self._parts.store
        revision = store.auth.revision
        await store.committer.flush()
        if what:
            log.info("authentication changed change=%r names=%r auth_revision=%d", what, names, revision)
        return self._header()

    def _header(self) -> Any:
        store = self._parts.store
        return store.header.message(store.state.visible)
