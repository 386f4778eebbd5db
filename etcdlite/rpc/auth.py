"""etcdserverpb.Auth: authentication by password is off, and clients that ask are told so as etcd tells them."""

from __future__ import annotations

from typing import Any

from etcdlite.errors import AuthNotEnabled, NotServed
from etcdlite.parts import Parts
from machinery.rpc.api import Call
from protos.pool import messages

pb = messages("etcdserverpb")


class Auth:
    """Who may connect is decided by client certificates alone."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def AuthStatus(self, request: Any, call: Call) -> Any:
        return pb.AuthStatusResponse(header=self._header(), enabled=False, authRevision=1)

    async def AuthDisable(self, request: Any, call: Call) -> Any:
        return pb.AuthDisableResponse(header=self._header())

    async def Authenticate(self, request: Any, call: Call) -> Any:
        raise AuthNotEnabled

    async def UserList(self, request: Any, call: Call) -> Any:
        return pb.AuthUserListResponse(header=self._header())

    async def RoleList(self, request: Any, call: Call) -> Any:
        return pb.AuthRoleListResponse(header=self._header())

    async def _refuse(self, request: Any, call: Call) -> Any:
        raise NotServed("etcdlite: users and roles are not served; restrict access with client certificates")

    AuthEnable = UserAdd = UserGet = UserDelete = UserChangePassword = UserGrantRole = UserRevokeRole = _refuse
    RoleAdd = RoleGet = RoleDelete = RoleGrantPermission = RoleRevokePermission = _refuse

    def _header(self) -> Any:
        store = self._parts.store
        return store.header.message(store.state.visible)
