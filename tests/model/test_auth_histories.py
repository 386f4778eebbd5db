"""Random histories of users, roles, permissions and accesses against etcdlite and a real etcd: every answer is equal.

A short run belongs to the suite; `AUTH_HISTORIES=500` runs that many.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from machinery.rpc import RpcError
from machinery.rpc.grpc_channel import GrpcChannel
from tests.support.auth import AuthClient, auth_etcd, auth_etcdlite, authpb, wipe
from tests.support.etcd import EtcdProcess, etcd_binary, op, pb

EXAMPLES = int(os.environ.get("AUTH_HISTORIES", "20"))

users = st.sampled_from(["root", "u", "v"])
roles = st.sampled_from(["root", "r", "s"])
who = st.sampled_from(["", "root", "root", "root", "u", "u", "v"])
passwords = st.sampled_from(["one", "two"])
keys = st.sampled_from([b"a", b"b", b"c", b"b\0"])
ends = st.sampled_from([b"", b"", b"\0", b"b", b"c", b"d"])


def step(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"kind": st.just(kind), "who": who, **fields})


steps = st.lists(
    st.one_of(
        step("login", name=users, password=passwords),
        step("enable"),
        step("disable"),
        step("user add", name=users, password=passwords, no_password=st.sampled_from([False, False, False, True])),
        step("user delete", name=users),
        step("user get", name=users),
        step("user list"),
        step("passwd", name=users, password=passwords),
        step("grant role", name=users, role=roles),
        step("revoke role", name=users, role=roles),
        step("role add", role=roles),
        step("role delete", role=roles),
        step("role get", role=roles),
        step("role list"),
        step("permit", role=roles, permission=st.integers(0, 2), key=keys, end=ends),
        step("permit", role=roles, permission=st.integers(0, 2), key=keys, end=ends),
        step("forbid", role=roles, key=keys, end=ends),
        step("get", key=keys, end=ends),
        step("get", key=keys, end=ends),
        step("put", key=keys, previous=st.booleans()),
        step("delete", key=keys, end=ends, previous=st.booleans()),
        step("txn", compared=keys, end=ends, key=keys, other=keys),
    ),
    min_size=10,
    max_size=40,
)

START: list[dict[str, Any]] = [
    {"kind": "user add", "who": "", "name": "root", "password": "one", "no_password": False},
    {"kind": "user add", "who": "", "name": "u", "password": "one", "no_password": False},
    {"kind": "grant role", "who": "", "name": "root", "role": "root"},
    {"kind": "role add", "who": "", "role": "r"},
    {"kind": "grant role", "who": "", "name": "u", "role": "r"},
    {"kind": "enable", "who": ""},
    {"kind": "login", "who": "", "name": "root", "password": "one"},
    {"kind": "login", "who": "", "name": "u", "password": "one"},
]
"""So that most steps meet an authentication that is on."""


class Side:
    """One of the two stores, with the tokens it gave."""

    def __init__(self, client: AuthClient) -> None:
        self._nobody = client
        self._users: dict[str, AuthClient] = {}

    async def run(self, step: dict[str, Any]) -> Any:
        """What a step answers: data, or (code, text)."""
        try:
            return await self._answer(self._users.get(step["who"], self._nobody), step)
        except RpcError as error:
            return error.code.name, error.message

    async def _answer(self, client: AuthClient, step: dict[str, Any]) -> Any:
        auth = client.auth
        match step:
            case {"kind": "login", "name": name, "password": password}:
                self._users[name] = await self._nobody.login(name, password)
            case {"kind": "enable"}:
                await auth.AuthEnable(pb.AuthEnableRequest())
            case {"kind": "disable"}:
                await auth.AuthDisable(pb.AuthDisableRequest())
                self._users.clear()  # etcd 3.4 looks at tokens even then
            case {"kind": "user add", "name": name, "password": password, "no_password": no_password}:
                options = {"no_password": no_password and name != "root"}  # somebody has to end it all
                await auth.UserAdd(pb.AuthUserAddRequest(name=name, password=password, options=options))
            case {"kind": "user delete", "name": name}:
                await auth.UserDelete(pb.AuthUserDeleteRequest(name=name))
            case {"kind": "user get", "name": name}:
                return list((await auth.UserGet(pb.AuthUserGetRequest(name=name))).roles)
            case {"kind": "user list"}:
                return list((await auth.UserList(pb.AuthUserListRequest())).users)
            case {"kind": "passwd", "name": name, "password": password}:
                await auth.UserChangePassword(pb.AuthUserChangePasswordRequest(name=name, password=password))
            case {"kind": "grant role", "name": name, "role": role}:
                await auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user=name, role=role))
            case {"kind": "revoke role", "name": name, "role": role}:
                await auth.UserRevokeRole(pb.AuthUserRevokeRoleRequest(name=name, role=role))
            case {"kind": "role add", "role": role}:
                await auth.RoleAdd(pb.AuthRoleAddRequest(name=role))
            case {"kind": "role delete", "role": role}:
                await auth.RoleDelete(pb.AuthRoleDeleteRequest(role=role))
            case {"kind": "role get", "role": role}:
                perms = (await auth.RoleGet(pb.AuthRoleGetRequest(role=role))).perm
                return [(perm.permType, perm.key, perm.range_end) for perm in perms]
            case {"kind": "role list"}:
                return list((await auth.RoleList(pb.AuthRoleListRequest())).roles)
            case {"kind": "permit", "role": role, "permission": permission, "key": key, "end": end}:
                if end not in (b"", b"\0") and end <= key:
                    return None  # etcd 3.4 takes what 3.5 refuses
                perm = authpb.Permission(permType=permission, key=key, range_end=end)
                await auth.RoleGrantPermission(pb.AuthRoleGrantPermissionRequest(name=role, perm=perm))
            case {"kind": "forbid", "role": role, "key": key, "end": end}:
                await auth.RoleRevokePermission(pb.AuthRoleRevokePermissionRequest(role=role, key=key, range_end=end))
            case {"kind": "get", "key": key, "end": end}:
                return [(kv.key, kv.version) for kv in (await client.get(key, end)).kvs]
            case {"kind": "put", "key": key, "previous": previous}:
                return (await client.put(key, prev_kv=previous)).prev_kv.version
            case {"kind": "delete", "key": key, "end": end, "previous": previous}:
                return (await client.delete(key, end, prev_kv=previous)).deleted
            case {"kind": "txn", "compared": compared, "end": end, "key": key, "other": other}:
                compare = pb.Compare(key=compared, range_end=end, target=pb.Compare.VERSION, result=pb.Compare.GREATER)
                request = pb.TxnRequest(
                    compare=[compare], success=[op(pb.PutRequest(key=key))], failure=[op(pb.RangeRequest(key=other))]
                )
                return (await client.kv.Txn(request)).succeeded
        return None


@pytest.fixture(scope="module")
def etcd() -> Iterator[EtcdProcess]:
    with auth_etcd() as process:
        yield process


@pytest.mark.e2e
@pytest.mark.timeout(0 if EXAMPLES > 50 else 120)
@pytest.mark.skipif(etcd_binary() is None, reason="etcd is not installed (apt-get install etcd-server)")
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink]
)
@given(history=steps)
def test_etcdlite_and_etcd_answer_alike(etcd: EtcdProcess, history: list[dict[str, Any]]) -> None:
    asyncio.run(_run(etcd, [*START, *history]))


async def _run(etcd: EtcdProcess, history: list[dict[str, Any]]) -> None:
    channel = GrpcChannel(etcd.address)
    try:
        async with auth_etcdlite("memory", Path()) as etcdlite:
            real = AuthClient(channel)
            sides = Side(etcdlite), Side(real)
            try:
                for step in history:
                    ours, theirs = [await side.run(step) for side in sides]
                    assert ours == theirs, step
            finally:
                await _wipe(real)
    finally:
        await channel.close()


async def _wipe(real: AuthClient) -> None:
    """Whatever root's password came to be."""
    for password in ("one", "two"):
        try:
            await wipe(real, password)
        except RpcError:
            continue
        return
    raise AssertionError("nobody can turn the authentication off")
