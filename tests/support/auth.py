"""Clients that are somebody, for tests of users and roles."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from pathlib import Path
from typing import Any

from actors import System, SystemClock
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from machinery.rpc import Channel, LocalChannel, RpcError, Stub
from machinery.rpc.grpc_channel import GrpcChannel
from protos.pool import Method, messages
from tests.support.etcd import EtcdClient, EtcdProcess, pb

authpb = messages("authpb")
READ, WRITE, READWRITE = range(3)
OK = ("OK", "")


class MetadataChannel:
    """A channel whose calls carry metadata."""

    def __init__(self, channel: Channel, metadata: Mapping[str, str | bytes]) -> None:
        self._channel = channel
        self._metadata = metadata

    async def unary(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str | bytes] | None = None,
    ) -> Any:
        return await self._channel.unary(method, request, timeout=timeout, metadata=self._metadata)

    def stream(
        self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None = None
    ) -> AsyncIterator[Any]:
        return self._channel.stream(method, request, metadata=self._metadata)

    async def close(self) -> None:
        await self._channel.close()


class AuthClient(EtcdClient):
    """A client of every service, as nobody until it logs in."""

    def __init__(self, channel: Channel, metadata: Mapping[str, str | bytes] | None = None) -> None:
        self.plain = channel
        self.metadata = metadata or {}
        super().__init__(MetadataChannel(channel, metadata) if metadata else channel)
        self.auth = Stub(self.channel, "etcdserverpb.Auth")
        self.cluster = Stub(self.channel, "etcdserverpb.Cluster")
        self.locks = Stub(self.channel, "v3lockpb.Lock")

    async def login(self, name: str, password: str) -> AuthClient:
        """The same store as this user."""
        reply = await Stub(self.plain, "etcdserverpb.Auth").Authenticate(
            pb.AuthenticateRequest(name=name, password=password)
        )
        return self.showing(reply.token)

    def showing(self, token: str) -> AuthClient:
        """The same store with this token."""
        return AuthClient(self.plain, {"token": token})

    async def add_user(self, name: str, password: str = "", *roles: str, **options: Any) -> None:
        """A user with these roles; with `no_password=True`, one without a password."""
        await self.auth.UserAdd(pb.AuthUserAddRequest(name=name, password=password, options=options))
        for role in roles:
            await self.auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user=name, role=role))

    async def add_role(self, name: str, *permissions: tuple[int, bytes, bytes]) -> None:
        """A role with these permissions: (kind, key, range_end)."""
        await self.auth.RoleAdd(pb.AuthRoleAddRequest(name=name))
        for permission in permissions:
            await self.grant(name, *permission)

    async def grant(self, role: str, kind: int, key: bytes, range_end: bytes = b"") -> None:
        perm = authpb.Permission(permType=kind, key=key, range_end=range_end)
        await self.auth.RoleGrantPermission(pb.AuthRoleGrantPermissionRequest(name=role, perm=perm))

    async def enable(self, password: str = "root-secret") -> AuthClient:
        """Make a root, turn authentication on, and be that root."""
        await self.add_user("root", password, "root")
        await self.auth.AuthEnable(pb.AuthEnableRequest())
        return await self.login("root", password)

    async def keep_alive(self, lease: int) -> Any:
        """One renewal."""

        async def requests() -> AsyncIterator[Any]:
            yield pb.LeaseKeepAliveRequest(ID=lease)

        async with contextlib.aclosing(self.leases.LeaseKeepAlive(requests())) as replies:
            async for reply in replies:
                return reply
        raise AssertionError("the stream ended without an answer")

    async def snapshot(self) -> int:
        """Bytes of a snapshot."""
        size = 0
        async for reply in self.maintenance.Snapshot(pb.SnapshotRequest()):
            size += len(reply.blob)
        return size


async def outcome(call: Awaitable[Any]) -> tuple[str, str]:
    """(code, text) of a call's end; OK when it was answered."""
    try:
        await call
    except RpcError as error:
        return error.code.name, error.message
    return OK


async def wipe(client: AuthClient, password: str = "root-secret") -> None:
    """Authentication off, no users, no roles, no keys, no leases."""
    if await outcome(client.auth.UserList(pb.AuthUserListRequest())) != OK:
        root = await client.login("root", password)
        await root.auth.AuthDisable(pb.AuthDisableRequest())
    for user in (await client.auth.UserList(pb.AuthUserListRequest())).users:
        await client.auth.UserDelete(pb.AuthUserDeleteRequest(name=user))
    for role in (await client.auth.RoleList(pb.AuthRoleListRequest())).roles:
        await client.auth.RoleDelete(pb.AuthRoleDeleteRequest(role=role))
    for lease in (await client.leases.LeaseLeases(pb.LeaseLeasesRequest())).leases:
        await client.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=lease.ID))
    await client.delete(b"\0", b"\0")


class EtcdWithCheapPasswords(EtcdProcess):
    """Hashes of passwords take a millisecond instead of fifty."""

    def command(self) -> list[str]:
        return [*super().command(), "--bcrypt-cost", "4"]


@contextlib.contextmanager
def auth_etcd() -> Iterator[EtcdProcess]:
    """A real etcd for tests that turn its authentication on."""
    directory = Path(tempfile.mkdtemp(prefix="etcd-auth-"))
    process = EtcdWithCheapPasswords(directory)
    try:
        process.start()
        yield process
    finally:
        process.kill()
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.asynccontextmanager
async def auth_etcdlite(kind: str, directory: Path) -> AsyncIterator[AuthClient]:
    """etcdlite in `memory`, on a `file` without a cache, or over `grpc`."""
    config = Config(
        data_dir=None if kind == "memory" else str(directory),
        listen_client_urls=("http://127.0.0.1:0",) if kind == "grpc" else (),
        cache_bytes=0 if kind == "file" else 1 << 20,
        bcrypt_cost=4,
    )
    clock = SystemClock()
    app = EtcdLite(config, clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        on_socket = kind == "grpc"
        channel = GrpcChannel(app.client_urls[0].removeprefix("http://")) if on_socket else LocalChannel(app.services())
        try:
            yield AuthClient(channel)
        finally:
            await channel.close()
