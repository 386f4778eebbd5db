"""A channel from a kubeconfig, and certificate files that are renewed while it is in use: proven by a real server,
which says whose certificate it sees."""

from __future__ import annotations

import asyncio
import os
import pathlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from actors import ChildSpec, System, VirtualClock
from machinery.client import kubeconfig
from machinery.client.dial import check_dialable, dial
from machinery.client.kubeconfig import GRPC_EXTENSION, KubeConfigError
from machinery.client.target import Target, target
from machinery.pki.files import write_file
from machinery.pki.tls import Held, Identity, reloading_server_credentials
from machinery.rpc import Call, Channel, RpcError, Stub
from machinery.rpc.renewing import LOOK_SECONDS
from machinery.rpc.server import GrpcServer
from pilothouse import pki
from protos.pool import messages

NOW = datetime.now(UTC)
PB = messages("pilot.v1")


class Greeter:
    """Answers with the caller's name, at once or whenever `again` is set."""

    def __init__(self) -> None:
        self.again = asyncio.Event()
        self.ends = asyncio.Event()

    async def Document(self, request: Any, call: Call) -> Any:
        assert call.peer is not None
        return PB.DocumentReply(body=call.peer.common_name.encode())

    async def Logs(self, request: Any, call: Call) -> AsyncIterator[Any]:
        assert call.peer is not None
        while not self.ends.is_set():
            yield PB.LogsReply(data=call.peer.common_name.encode())
            await self.again.wait()
            self.again.clear()


@dataclass
class World:
    directory: pathlib.Path
    authority: pki.Authority
    address: str
    greeter: Greeter
    clock: VirtualClock = field(default_factory=VirtualClock)

    def issue(self, name: str) -> pki.KeyPair:
        return self.authority.issue(name, now=NOW, client=True)

    def target(self, user: dict[str, str]) -> Target:
        path = self.directory / "config"
        cluster = {
            "server": "https://127.0.0.1:1",
            "certificate-authority-data": kubeconfig.encoded(self.authority.pair.certificate),
            "extensions": [{"name": GRPC_EXTENSION, "extension": {"address": self.address}}],
        }
        kubeconfig.write(
            path,
            {
                **kubeconfig.EMPTY,
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": user}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "c",
            },
        )
        return target(kubeconfig.load(path))


@pytest.fixture
async def world(tmp_path: pathlib.Path) -> AsyncIterator[World]:
    authority = pki.Authority.create("ca", now=NOW)
    pair = authority.issue("server", now=NOW, names=["127.0.0.1"], server=True)
    shown = Held(Identity(pair.certificate, pair.key, authority.pair.certificate))
    greeter, bound = Greeter(), list[str]()

    def server() -> GrpcServer:
        credentials = reloading_server_credentials(shown, require_client=True)
        return GrpcServer({"pilot.v1.API": greeter}, ["127.0.0.1:0"], credentials=credentials, bound=bound.extend)

    async with System(ChildSpec("server", server)):
        yield World(tmp_path, authority, bound[0], greeter)


async def who(channel: Channel) -> str:
    reply = await Stub(channel, "pilot.v1.API").Document(PB.DocumentRequest(path="/"), timeout=10)
    return str(reply.body.decode())


async def test_a_renewed_pair_is_shown_by_the_next_call_and_no_stream_is_cut(world: World) -> None:
    world.issue("first").save(world.directory, "me")
    reached = world.target({"client-certificate": "me.crt", "client-key": "me.key"})
    channel = dial(reached, clock=world.clock)
    stream = Stub(channel, "pilot.v1.API").Logs(PB.LogsRequest())
    assert (await anext(stream)).data == b"first"
    assert await who(channel) == "first"

    world.issue("second").save(world.directory, "me")
    await world.clock.advance(seconds=LOOK_SECONDS)
    assert await who(channel) == "second"
    world.greeter.again.set()
    assert (await anext(stream)).data == b"first"
    later = Stub(channel, "pilot.v1.API").Logs(PB.LogsRequest())
    assert (await anext(later)).data == b"second"

    world.greeter.ends.set()
    world.greeter.again.set()
    assert [each async for each in stream] == []
    assert await who(channel) == "second"
    await later.aclose()
    await channel.close()


async def test_files_that_do_not_fit_change_nothing_until_they_do(world: World, caplog: Any) -> None:
    world.issue("first").save(world.directory, "me")
    channel = dial(world.target({"client-certificate": "me.crt", "client-key": "me.key"}), clock=world.clock)
    second = world.issue("second")
    (world.directory / "me.crt").write_bytes(second.certificate)
    await world.clock.advance(seconds=LOOK_SECONDS)
    assert await who(channel) == "first"
    assert "renewed certificate not taken" in caplog.text
    (world.directory / "me.key").write_bytes(second.key)
    await world.clock.advance(seconds=LOOK_SECONDS)
    assert await who(channel) == "second"
    (world.directory / "me.crt").unlink()
    await world.clock.advance(seconds=LOOK_SECONDS)
    assert await who(channel) == "second"
    await channel.close()


async def test_one_file_may_hold_both_and_is_replaced_in_one_step(world: World) -> None:
    both = world.directory / "current.pem"
    for name in ("first", "second"):
        pair = world.issue(name)
        write_file(both, pair.certificate + pair.key, secret=True)
        if name == "first":
            user = {"client-certificate": str(both), "client-key": str(both)}
            channel = dial(world.target(user), clock=world.clock)
        await world.clock.advance(seconds=LOOK_SECONDS)
        assert await who(channel) == name
    await channel.close()


async def test_an_inline_certificate_stays(world: World) -> None:
    pair = world.issue("inline")
    user = {
        "client-certificate-data": kubeconfig.encoded(pair.certificate),
        "client-key-data": kubeconfig.encoded(pair.key),
    }
    reached = world.target(user)
    assert (reached.files.cert, reached.files.key) == (None, None)
    channel = dial(reached, clock=world.clock)
    await world.clock.advance(hours=1)
    assert await who(channel) == "inline"
    await channel.close()


async def test_with_a_token_in_its_place_a_certificate_in_files_is_not_shown(world: World) -> None:
    world.issue("me").save(world.directory, "me")
    reached = world.target({"client-certificate": "me.crt", "client-key": "me.key"})
    channel = dial(replace(reached, certificate=b"", key=b"", token="t"), address=world.address)
    with pytest.raises(RpcError):  # this server takes nobody without one
        await who(channel)
    await channel.close()


def test_a_pair_that_does_not_fit_is_refused_at_once(world: World) -> None:
    world.issue("a").save(world.directory, "me")
    os.replace(world.directory / "me.key", world.directory / "other.key")
    world.issue("b").save(world.directory, "me")
    user = {"client-certificate": "me.crt", "client-key": "other.key"}
    reached = world.target(user)
    for refuse in (check_dialable, dial, partial(dial, clock=world.clock)):
        with pytest.raises(KubeConfigError, match="do not go together"):
            refuse(reached)
