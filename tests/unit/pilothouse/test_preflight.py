"""Ports and directories that are taken are named before anything starts, with who has them."""

from __future__ import annotations

import asyncio
import os
import pathlib
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from actors import Clock, SystemClock, VirtualClock
from apiserver.storage.servers import EtcdServers
from etcdlite.store.log import Log
from pilothouse.external_store import Found, StoreUnreachable
from pilothouse.init import external_etcd, preflight
from pilothouse.init.settings import InitError, InitSettings
from pilothouse.instance import Claim, Record

FIELDS = {
    "bind_port": "apiserver-bind-port",
    "grpc_port": "grpc-port",
    "grpc_token_port": "grpc-token-port",
    "units_port": "units-port",
    "etcd_port": "etcd-port",
}


@pytest.fixture
def free() -> dict[str, int]:
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in FIELDS}
        return {name: each.getsockname()[1] for name, each in sockets.items()}


@pytest.fixture
def settings(free: dict[str, int], tmp_path: pathlib.Path) -> InitSettings:
    return InitSettings(config_dir=tmp_path / "etc", data_dir=tmp_path / "var", advertise_address="127.0.0.1", **free)  # type: ignore[arg-type]  # ports all


@pytest.fixture
def own_home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Where records of what runs are kept."""
    monkeypatch.setenv("PILOTHOUSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def listener(free: dict[str, int]) -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", free["etcd_port"])) as server:
        yield server


async def test_free_ports_pass(settings: InitSettings) -> None:
    await preflight.run(settings, clock=VirtualClock())


@pytest.mark.parametrize("field", FIELDS)
async def test_each_port_is_looked_at(settings: InitSettings, free: dict[str, int], field: str) -> None:
    port, flag = free[field], FIELDS[field]
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(InitError, match=rf"\[ERROR Port-{port}\]: Port {port} is in use by .*pid \d+.*--{flag} chooses"),
    ):
        await preflight.run(settings, clock=VirtualClock())


async def test_all_that_is_wrong_is_told_at_once(settings: InitSettings, free: dict[str, int]) -> None:
    wrong = replace(settings, grpc_token_port=free["grpc_port"])
    with (
        socket.create_server(("0.0.0.0", free["bind_port"])),
        pytest.raises(InitError) as caught,
    ):
        await preflight.run(wrong, clock=VirtualClock())
    lines = str(caught.value).splitlines()
    assert lines[0] == "[preflight] Some fatal errors occurred:"
    assert lines[1] == (
        f"\t[ERROR Port-{free['grpc_port']}]: Port {free['grpc_port']} is wanted more than once: "
        "--grpc-port, --grpc-token-port"
    )
    assert lines[2].startswith(f"\t[ERROR Port-{free['bind_port']}]: Port {free['bind_port']} is in use by ")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[Found | StoreUnreachable]:
    """What a look at another etcd comes to; by default it is there, with nothing in it."""
    comes: list[Found | StoreUnreachable] = [Found({}, "")]

    async def examine(servers: EtcdServers, *, prefix: str, clock: Clock) -> Found:
        if isinstance(comes[-1], StoreUnreachable):
            raise comes[-1]
        return comes[-1]

    monkeypatch.setattr(external_etcd, "examine", examine)
    return comes


async def test_another_store_needs_no_port(
    settings: InitSettings, listener: socket.socket, elsewhere: list[Found | StoreUnreachable]
) -> None:
    await preflight.run(replace(settings, etcd_servers="http://10.0.0.9:2379"), clock=VirtualClock())


async def test_another_store_that_cannot_be_used(
    settings: InitSettings, elsewhere: list[Found | StoreUnreachable]
) -> None:
    settings = replace(settings, etcd_servers="http://10.0.0.9:2379")
    elsewhere.append(StoreUnreachable("http://10.0.0.9:2379: connection refused"))
    with pytest.raises(InitError, match=r"\[ERROR ExternalEtcd\]: http://10\.0\.0\.9:2379: connection refused"):
        await preflight.run(settings, clock=VirtualClock())
    elsewhere.append(Found({}, "an authority"))
    with pytest.raises(
        InitError, match=r"the cluster at /registry there was made with another authority than \S+/ca\.crt"
    ):
        await preflight.run(settings, clock=VirtualClock())
    settings.pki.mkdir(parents=True)
    (settings.pki / "ca.crt").write_text("an authority\n")
    await preflight.run(settings, clock=VirtualClock())


async def test_what_an_earlier_run_left_is_waited_for(settings: InitSettings, free: dict[str, int]) -> None:
    program = (
        "import socket, sys\n"
        f"server = socket.create_server(('127.0.0.1', {free['etcd_port']}))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    orphan = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "--config", str(settings.config_file("etcdlite")),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert orphan.stdout is not None and orphan.stdin is not None
    assert await orphan.stdout.readline() == b"ready\n"
    checking = asyncio.ensure_future(preflight.run(settings, clock=SystemClock()))
    await asyncio.sleep(0)
    assert not checking.done()
    orphan.stdin.close()
    await checking
    assert await orphan.wait() == 0


async def test_what_does_not_end_is_named_in_the_end(settings: InitSettings, free: dict[str, int]) -> None:
    program = (
        f"import socket, sys; s = socket.create_server(('127.0.0.1', {free['etcd_port']}))\n"
        "print(flush=True); sys.stdin.read()"
    )
    orphan = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "--config", str(settings.config_file("etcdlite")),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert orphan.stdout is not None and orphan.stdin is not None
    await orphan.stdout.readline()
    clock = VirtualClock()
    checking = asyncio.ensure_future(preflight.run(settings, clock=clock))
    await clock.advance(seconds=preflight.PATIENCE)
    with pytest.raises(InitError, match=rf"Port {free['etcd_port']} is in use by .*\(pid {orphan.pid}\)"):
        await checking
    orphan.stdin.close()
    await orphan.wait()


async def test_a_store_that_is_open_names_its_user(
    settings: InitSettings, own_home: pathlib.Path, elsewhere: list[Found | StoreUnreachable]
) -> None:
    place = settings.data_dir / "etcd"
    log = Log.open(str(place))
    try:
        with pytest.raises(InitError) as caught:
            await preflight.run(settings, clock=VirtualClock())
        assert re.search(
            rf"\[ERROR DirAvailable-\S+-var-etcd\]: {place} is in use by .*\(pid {os.getpid()}\); --data-dir chooses",
            str(caught.value),
        )
        with Claim("other") as claim:
            claim.publish(Record("up", "other", os.getpid(), data_dir=str(settings.data_dir)))
            with pytest.raises(InitError, match="is in use by cluster \"other\", which 'pilot down other' ends"):
                await preflight.run(settings, clock=VirtualClock())
        await preflight.run(replace(settings, etcd_servers="http://10.0.0.9:2379"), clock=VirtualClock())
    finally:
        log.close()
    assert not settings.config_dir.exists()


async def test_a_store_of_another_authority_is_refused(settings: InitSettings, own_home: pathlib.Path) -> None:
    place = settings.data_dir / "etcd"
    place.mkdir(parents=True)
    await preflight.run(settings, clock=VirtualClock())
    assert not list(place.iterdir())
    Log.open(str(place)).close()
    with pytest.raises(InitError, match=rf"\[ERROR DirAvailable-\S+\]: {place} is not empty.*--config-dir.*--data-dir"):
        await preflight.run(settings, clock=VirtualClock())
    settings.pki.mkdir(parents=True)
    (settings.pki / "ca.crt").touch()
    await preflight.run(settings, clock=VirtualClock())


async def test_a_store_that_is_none_is_named(settings: InitSettings, own_home: pathlib.Path) -> None:
    place = settings.data_dir / "etcd"
    place.mkdir(parents=True)
    (place / "store.db").write_bytes(b"no database, but long enough to be read as one")
    with pytest.raises(InitError, match=rf"{place}: cannot be used as data directory: .*--data-dir chooses another"):
        await preflight.run(settings, clock=VirtualClock())
