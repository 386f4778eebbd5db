"""The gRPC edge over sockets: TLS, certificates, tokens, the same answers as in process; and the process entry."""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc
import orjson
import pytest

from actors import ChildSpec, System, VirtualClock
from apiserver.auth.config import AuthConfig
from apiserver.config import Config
from apiserver.renewal import Renewal
from apiserver.verbs.context import UserInfo
from machinery.client.grpc import ApiClient
from machinery.errors import ApiError, Forbidden, NotFound, ServiceUnavailable, Unauthorized
from machinery.pki.tls import TlsFiles
from machinery.rpc.grpc_channel import GrpcChannel
from pilothouse.pki import Authority, KeyPair
from tests.support.etcd import start_etcdlite
from tests.support.inprocess import CONFIGMAPS, NAMESPACES, Server, configmap, serving


@dataclass
class Secured:
    """A server on sockets, and how to reach it."""

    server: Server
    authority: Authority

    def channel(self, pair: KeyPair | None) -> GrpcChannel:
        name = "grpc" if pair else "grpc-tokens"
        address = self.server.api.grpc_addresses[name]
        credentials = grpc.ssl_channel_credentials(
            self.authority.pair.certificate, pair.key if pair else None, pair.certificate if pair else None
        )
        return GrpcChannel(address, credentials=credentials)

    def certificate(self, user: str, *groups: str) -> KeyPair:
        return self.authority.issue(user, now=datetime.now(UTC), organizations=groups, client=True)


@pytest.fixture
async def secured() -> AsyncIterator[Secured]:
    authority = Authority.create("test-ca", now=datetime.now(UTC))
    pair = authority.issue("kube-apiserver", now=datetime.now(UTC), names=["127.0.0.1"], server=True)
    config = Config(
        grpc_address="127.0.0.1:0",
        grpc_token_address="127.0.0.1:0",
        tls_cert=pair.certificate,
        tls_key=pair.key,
        client_ca=authority.pair.certificate,
        auth=AuthConfig(static_tokens={"secret": UserInfo("root", ("system:masters",))}),
    )
    async with serving(config) as server:
        yield Secured(server, authority)


async def test_certificates_are_identities(secured: Secured) -> None:
    channel = secured.channel(secured.certificate("admin", "system:masters"))
    client = ApiClient(channel)
    made = await client.create(CONFIGMAPS, configmap("a", x="1"))
    events = client.watch(CONFIGMAPS, namespace="default")
    event = await anext(aiter(events))
    assert (event.type, event.object) == ("ADDED", made)
    await events.aclose()  # type: ignore[attr-defined]  # it is a generator
    with pytest.raises(NotFound, match='configmaps "b" not found') as caught:
        await client.get(CONFIGMAPS, "b", namespace="default")
    assert caught.value.details == {"name": "b", "kind": "configmaps"}
    version = orjson.loads(await client.document("/version"))
    assert version["gitVersion"].startswith("v1.37.0")
    await channel.close()
    other = secured.channel(secured.certificate("bob", "people"))
    with pytest.raises(Forbidden, match='User "bob" cannot list resource "configmaps"'):
        await ApiClient(other).list(CONFIGMAPS)
    await other.close()


async def test_tokens_are_identities_where_no_certificate_is_asked_for(secured: Secured) -> None:
    channel = secured.channel(None)
    assert len((await ApiClient(channel, token="secret").list(NAMESPACES)).items) == 4
    with pytest.raises(Unauthorized):
        await ApiClient(channel, token="wrong").list(NAMESPACES)
    with pytest.raises(Forbidden, match='User "system:anonymous" cannot list'):
        await ApiClient(channel).list(NAMESPACES)
    await channel.close()


async def test_a_stranger_s_certificate_is_refused(secured: Secured) -> None:
    stranger = Authority.create("other-ca", now=datetime.now(UTC))
    channel = secured.channel(
        stranger.issue("admin", now=datetime.now(UTC), organizations=["system:masters"], client=True)
    )
    with pytest.raises(ApiError):
        await ApiClient(channel, timeout=5.0).list(NAMESPACES)
    await channel.close()


async def test_a_renewed_certificate_is_shown_to_the_next_who_connect(tmp_path: pathlib.Path) -> None:
    first, second = (Authority.create(name, now=datetime.now(UTC)) for name in ("one", "two"))

    def issued(authority: Authority) -> KeyPair:
        return authority.issue("kube-apiserver", now=datetime.now(UTC), names=["127.0.0.1"], server=True)

    pair = issued(first)
    pair.save(tmp_path, "serving")
    admin = AuthConfig(static_tokens={"secret": UserInfo("root", ("system:masters",))})
    config = Config(grpc_token_address="127.0.0.1:0", tls_cert=pair.certificate, tls_key=pair.key, auth=admin)
    files = TlsFiles(cert=tmp_path / "serving.crt", key=tmp_path / "serving.key")
    clock = VirtualClock()

    async def count(authority: Authority, address: str) -> int:
        channel = GrpcChannel(address, credentials=grpc.ssl_channel_credentials(authority.pair.certificate))
        try:
            return len((await ApiClient(channel, token="secret", timeout=5.0).list(NAMESPACES)).items)
        finally:
            await channel.close()

    async with serving(config, clock=clock) as server:
        address = server.api.grpc_addresses["grpc-tokens"]
        renewal = ChildSpec("renewal", lambda: Renewal(files, server.api.renew))
        async with System(renewal, clock=clock):
            assert await count(first, address) == 4
            issued(second).save(tmp_path, "serving")
            await clock.advance(seconds=61)
            assert await count(second, address) == 4
            with pytest.raises(ServiceUnavailable):
                await count(first, address)


@pytest.mark.e2e
async def test_the_process_survives_its_own_end(tmp_path: pathlib.Path) -> None:
    """What was acknowledged is there after kill -9 and a new start on the same store."""
    authority = Authority.create("test-ca", now=datetime.now(UTC))
    pair = authority.issue("kube-apiserver", now=datetime.now(UTC), names=["127.0.0.1"], server=True)
    pair.save(tmp_path, "serving")
    (tmp_path / "ca.crt").write_bytes(authority.pair.certificate)
    store, url = start_etcdlite("--data-dir", str(tmp_path / "data"))
    admin = authority.issue("admin", now=datetime.now(UTC), organizations=["system:masters"], client=True)
    try:
        for round_number in range(2):
            process, address = await _start(tmp_path, url)
            credentials = grpc.ssl_channel_credentials(authority.pair.certificate, admin.key, admin.certificate)
            channel = GrpcChannel(address, credentials=credentials)
            client = ApiClient(channel, timeout=10.0)
            page = await client.list(CONFIGMAPS, namespace="default")
            assert len(page.items) == round_number
            await client.create(CONFIGMAPS, configmap(f"c{round_number}"))
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
            with pytest.raises(ServiceUnavailable):
                await client.list(CONFIGMAPS)
            await channel.close()
    finally:
        store.kill()
        store.wait()
        assert store.stdout is not None
        store.stdout.close()


async def _start(directory: pathlib.Path, store: str) -> tuple[asyncio.subprocess.Process, str]:
    """`python -m apiserver`, and the address it says gRPC is served at."""
    flags = {
        "bind-address": "127.0.0.1",
        "secure-port": "0",
        "grpc-address": "127.0.0.1:0",
        "tls-cert-file": str(directory / "serving.crt"),
        "tls-private-key-file": str(directory / "serving.key"),
        "client-ca-file": str(directory / "ca.crt"),
        "etcd-servers": store,
    }
    command = [sys.executable, "-m", "apiserver", *(f"--{key}={value}" for key, value in flags.items())]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
    assert line.startswith("apiserver ready https://127.0.0.1:"), line
    return process, line.split("grpc=")[1].split()[0]


def test_bad_flags_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    from apiserver.__main__ import main

    assert main(["--etcd-servers", "nonsense"]) == 2
    assert "--etcd-servers: 'nonsense' is no list of http:// or https:// URLs" in capsys.readouterr().err
    assert main(["--client-ca-file", "/nonexistent"]) == 2
    assert "/nonexistent" in capsys.readouterr().err
