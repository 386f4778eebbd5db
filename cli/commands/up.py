"""`pilot up` and `pilot down`: a whole cluster in one process on this machine."""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from cli import foreground
from cli.command import Command
from cli.errors import CliError, UsageError
from cli.flags import Flag, Kind, Parsed, switch

if TYPE_CHECKING:
    from cli.context import Session
    from pilothouse.cluster import Cluster
    from pilothouse.instance import Claim, Record

DEFAULT_NAME = "pilothouse"
START_SECONDS = 60.0
STOP_SECONDS = 30.0


async def up(session: Session, flags: Parsed) -> int:
    from pilothouse.instance import Claim, InstanceError, find

    if flags.args:
        raise UsageError(f"up takes no arguments, got {' '.join(flags.args)}")
    if flags["nodes"] < 0 or flags["nodes"] > 1000:
        raise UsageError("--nodes must be between 0 and 1000")

    for name in ("port", "grpc-port", "etcd-port"):
        _check_port(name, flags[name])

    async def run() -> int:
        from controllermgr.errors import BadConfig

        claim = Claim(flags["name"])
        if not flags["detach"]:
            try:
                with claim:
                    return await _run(claim, flags)
            except BadConfig as error:
                raise CliError(str(error)) from None
        print(f'Starting cluster "{claim.name}" ...', flush=True)
        await foreground.detach(claim, ["up"], flags)
        record = find(claim.name)
        if record is None:
            raise CliError("the cluster ended right after it was ready", hint=f"Its log: {claim.log}")
        _introduce(record, print, current=flags["use-context"])
        return 0

    return await foreground.refusing(run, InstanceError, OSError)


async def _run(claim: Claim, flags: Parsed) -> int:
    """The cluster, in the foreground, until a signal ends it."""
    running = foreground.Foreground()
    started = time.monotonic()
    running.say(f'Starting cluster "{claim.name}" ...')
    from pilothouse.cluster import Cluster, Listen

    cluster = Cluster(
        name=claim.name,
        nodes=flags["nodes"],
        data_dir=flags["data-dir"] or None,
        controllers=flags["controllers"],
        listen=Listen(
            host=flags["bind-address"],
            port=flags["port"],
            grpc_port=flags["grpc-port"],
            etcd_port=flags["etcd-port"],
        ),
    )

    async def start() -> None:
        await cluster.start()
        count = len(cluster.node_names)
        running.say(f"API server answers; waiting for {count} node{'s' if count != 1 else ''} ...")
        await cluster.nodes_ready()

    try:
        if not await running.unless_stopped(start(), timeout=START_SECONDS):
            return 130
        record = await _published(cluster, claim, flags)
        running.say(f"Ready in {time.monotonic() - started:.1f} s.")
        _introduce(record, running.say, current=flags["use-context"])
        running.ready()
        await running.unless_stopped(cluster.wait())
        running.say("Stopping ...")
        return 0
    except TimeoutError:
        raise CliError(f"not ready after {START_SECONDS:g} s", hint="Run again with -v=1 to see why.") from None
    finally:
        await cluster.stop()


async def _published(cluster: Cluster, claim: Claim, flags: Parsed) -> Record:
    """Write the kubeconfig entry and make the cluster known on this machine."""
    from machinery.client import kubeconfig
    from pilothouse.instance import Record

    entry = cluster.entry()
    try:
        async with kubeconfig.editing(flags["kubeconfig"] or None, clock=cluster.clock) as config:
            entry.merge_into(config, use=flags["use-context"])
    except kubeconfig.KubeConfigError as error:
        raise CliError(str(error)) from None
    path = flags["kubeconfig"] or str(config.path_of("contexts", claim.name))
    record = Record(
        command="up",
        name=claim.name,
        pid=os.getpid(),
        server=entry.server,
        grpc=entry.grpc,
        kubeconfig=str(pathlib.Path(path).resolve()),
        nodes=tuple(cluster.node_names),
        data_dir=str(pathlib.Path(flags["data-dir"]).resolve()) if flags["data-dir"] else "",
        log=str(claim.log),
    )
    claim.publish(record)
    return record


def _introduce(record: Record, say: Callable[[str], None], *, current: bool) -> None:
    count = len(record.nodes)
    say(f"\nCluster    {record.name} ({count} fake node{'s' if count != 1 else ''})")
    say(f"API        {record.server}, gRPC {record.grpc}")
    say(f'Kubeconfig {record.kubeconfig} (context "{record.name}"{", now current" if current else ""})')
    say(f"Data       {record.data_dir or 'in memory: gone when the cluster ends'}")
    prefix = "" if _is_default(record.kubeconfig) else f"--kubeconfig {record.kubeconfig} "
    if not current:
        prefix += f"--context {record.name} "
    say("\nTry next:")
    say(f"  kubectl {prefix}get nodes")
    say(f"  pilot {prefix}apply -f examples/guestbook")
    say(f"  pilot down --name {record.name}")


def _is_default(path: str) -> bool:
    """Whether kubectl reads this file without being told."""
    from machinery.client import kubeconfig

    return pathlib.Path(path) in [each.resolve() for each in kubeconfig.default_paths(os.environ)]


async def down(session: Session, flags: Parsed) -> int:
    from machinery.client import kubeconfig
    from pilothouse import entry
    from pilothouse.instance import alive, find, home, running

    name = flags["name"]
    record = find(name)
    if record is None:
        known = [each.name for each in running()]
        hint = f"Running: {', '.join(known)}." if known else "No cluster of 'pilot up' runs on this machine."
        raise CliError(f'no cluster named "{name}" runs', hint=hint)
    try:
        os.kill(record.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise CliError(f'cluster "{name}" (process {record.pid}) belongs to another user') from None
    place = home() / name
    deadline = time.monotonic() + STOP_SECONDS
    while alive(place):
        if time.monotonic() > deadline:
            raise CliError(
                f'cluster "{name}" (process {record.pid}) still runs after {STOP_SECONDS:g} s',
                hint=f"'kill -9 {record.pid}' ends it; nothing that was acknowledged is lost.",
            )
        await asyncio.sleep(0.05)
    if record.command == "up":
        try:
            async with kubeconfig.editing(record.kubeconfig, clock=session.clock) as config:
                entry.remove(config, name)
        except (kubeconfig.KubeConfigError, OSError) as error:
            print(f"Warning: its kubeconfig entry stays: {error}", file=sys.stderr)
    kept = f" Its data stays in {record.data_dir}." if record.data_dir else ""
    print(f'{"Node" if record.command == "join" else "Cluster"} "{name}" ended.{kept}')
    return 0


def _check_port(name: str, port: int | None) -> None:
    if port is not None and not 0 <= port <= 65535:
        raise UsageError(f"--{name} must be between 0 and 65535, not {port}")


_NAME = Flag("name", "Name of the cluster and of its kubeconfig context", default=DEFAULT_NAME)

COMMANDS = {
    "up": Command(
        name="up",
        summary="Run a whole cluster in one process on this machine: store, API server, controllers, scheduler, nodes.",
        usage="up [--name NAME] [--nodes N] [--kubeconfig FILE] [--data-dir DIR] [--detach] [flags]",
        run=up,
        flags=(
            _NAME,
            Flag("nodes", "How many nodes on the fake runtime", kind=Kind.INT, default=1),
            Flag("data-dir", "Where the store and the certificates are kept; not given: in memory"),
            foreground.DETACH,
            switch("use-context", "Make the cluster's context the current one", default=True),
            Flag("bind-address", "Address to listen on", default="127.0.0.1"),
            Flag("port", "Port of the REST API; 0 is any free one", kind=Kind.INT, default=0),
            Flag("grpc-port", "Port of the gRPC API; 0 is any free one", kind=Kind.INT, default=0),
            Flag("etcd-port", "Serve the store's etcd API on this loopback port", kind=Kind.INT, default=None),
            Flag(
                "controllers",
                "Controllers to run: '*' all, 'name' that one, '-name' all but that one",
                kind=Kind.LIST,
                default=["*"],
            ),
        ),
        examples="# Three nodes, and data that outlives the process\npilot up --name dev --nodes 3 --data-dir ./dev",
    ),
    "down": Command(
        name="down",
        summary="End what 'pilot up', 'init' or 'join' runs; of 'up', take its entry out of its kubeconfig.",
        usage="down [--name NAME]",
        run=down,
        flags=(_NAME,),
    ),
}
