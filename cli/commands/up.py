"""`pilot up` and `pilot down`: a whole cluster in one process on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

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
# set for the child of --detach: the descriptor on which it says that it is ready, or why it is not
READY_FD = "PILOTHOUSE_READY_FD"


async def up(session: Session, flags: Parsed) -> int:
    from pilothouse.instance import Claim, InstanceError

    if flags.args:
        raise UsageError(f"up takes no arguments, got {' '.join(flags.args)}")
    if flags["nodes"] < 0 or flags["nodes"] > 1000:
        raise UsageError("--nodes must be between 0 and 1000")
    try:
        if flags["detach"]:
            return await _detached(flags)
        with Claim(flags["name"]) as claim:
            return await _run(claim, flags)
    except InstanceError as error:
        _tell_parent(f"error {error}")
        raise CliError(str(error)) from None


async def _run(claim: Claim, flags: Parsed) -> int:
    """The cluster, in the foreground, until a signal ends it."""
    say = _Progress(quiet=READY_FD in os.environ)
    started = time.monotonic()
    say(f'Starting cluster "{claim.name}" ...')
    from pilothouse.cluster import Cluster, Listen

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGINT, _interrupted, stopping)
    listen = Listen(
        host=flags["bind-address"], port=_port(flags["port"]), grpc_port=_port(flags["grpc-port"]),
        etcd_port=flags["etcd-port"],
    )  # fmt: skip
    cluster = Cluster(
        name=claim.name,
        nodes=flags["nodes"],
        data_dir=flags["data-dir"] or None,
        controllers=flags["controllers"],
        listen=listen,
    )
    try:
        await _start(cluster, stopping, say)
        if stopping.is_set():
            return 130
        record = _published(cluster, claim, flags)
        say(f"Ready in {time.monotonic() - started:.1f} s.")
        _introduce(record, say, current=flags["use-context"])
        _tell_parent("ready")
        await _until_over(cluster, stopping)
        say("Stopping ...")
        return 0
    except OSError as error:
        _tell_parent(f"error {error}")
        raise CliError(f"the cluster could not start: {error}") from None
    finally:
        await cluster.stop()


async def _start(cluster: Cluster, stopping: asyncio.Event, say: _Progress) -> None:
    """Return when all is Ready, or when a signal came first."""

    async def start() -> None:
        await cluster.start()
        count = len(cluster.node_names)
        say(f"API server answers; waiting for {count} node{'s' if count != 1 else ''} ...")
        await cluster.nodes_ready()

    starting = asyncio.ensure_future(start())
    asked = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({starting, asked}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        elif not asked.done():
            raise CliError(f"not ready after {START_SECONDS:g} s", hint="Run again with -v=1 to see why.")
    finally:
        for task in (starting, asked):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def _until_over(cluster: Cluster, stopping: asyncio.Event) -> None:
    ended = asyncio.ensure_future(cluster.wait())
    asked = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            ended.result()
    finally:
        for task in (ended, asked):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


def _published(cluster: Cluster, claim: Claim, flags: Parsed) -> Record:
    """Write the kubeconfig entry and make the cluster known on this machine."""
    from machinery.client import kubeconfig
    from pilothouse.instance import Record

    entry = cluster.entry()
    try:
        config = kubeconfig.load_or_new(flags["kubeconfig"] or None)
        entry.merge_into(config, use=flags["use-context"])
        config.save()
    except kubeconfig.KubeConfigError as error:
        raise CliError(str(error)) from None
    path = flags["kubeconfig"] or str(config.path_of("contexts", claim.name))
    record = Record(
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


def _introduce(record: Record, say: Any, *, current: bool) -> None:
    count = len(record.nodes)
    say(f"\nCluster    {record.name} ({count} fake node{'s' if count != 1 else ''})")
    say(f"API        {record.server}, gRPC {record.grpc}")
    say(f'Kubeconfig {record.kubeconfig} (context "{record.name}"{", now current" if current else ""})')
    say(f"Data       {record.data_dir or 'in memory: gone when the cluster ends'}")
    prefix = "" if os.environ.get("KUBECONFIG") == record.kubeconfig else f"--kubeconfig {record.kubeconfig} "
    default = pathlib.Path(os.environ.get("HOME", "~")).expanduser() / ".kube" / "config"
    if not os.environ.get("KUBECONFIG") and pathlib.Path(record.kubeconfig) == default.resolve():
        prefix = ""
    if not current:
        prefix += f"--context {record.name} "
    say("\nTry next:")
    say(f"  kubectl {prefix}get nodes")
    say(f"  pilot {prefix}apply -f examples/guestbook")
    say(f"  pilot down --name {record.name}")


async def _detached(flags: Parsed) -> int:
    """Start the same command as a process of its own, and return when it says that it is ready."""
    from pilothouse.instance import Claim, find

    claim = Claim(flags["name"])
    claim.directory.mkdir(parents=True, exist_ok=True)
    words = [f"--{name}={_text(flags[name])}" for name in sorted(flags.given - {"detach", "help", "v"})]
    read, write = os.pipe()
    print(f'Starting cluster "{claim.name}" ...', flush=True)
    with claim.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "up", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, READY_FD: str(write)},
            pass_fds=[write],
            start_new_session=True,
        )
    os.close(write)
    said = await asyncio.to_thread(_read_all, read)
    if said != "ready":
        code = process.wait()
        reason = said.removeprefix("error ") or _tail(claim.log) or f"it ended with exit code {code}"
        raise CliError(reason, hint=f"Its log: {claim.log}")
    record = find(claim.name)
    if record is None:
        raise CliError("the cluster ended right after it was ready", hint=f"Its log: {claim.log}")
    _introduce(record, print, current=flags["use-context"])
    return 0


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
    try:
        config = kubeconfig.load_or_new(record.kubeconfig)
        entry.remove(config, name)
        config.save()
    except (kubeconfig.KubeConfigError, OSError) as error:
        print(f"Warning: its kubeconfig entry stays: {error}", file=sys.stderr)
    kept = f" Its data stays in {record.data_dir}." if record.data_dir else ""
    print(f'Cluster "{name}" ended.{kept}')
    return 0


class _Progress:
    """Lines for a person; a detached child is silent (its parent speaks)."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, line: str) -> None:
        if not self._quiet:
            print(line, flush=True)


def _interrupted(stopping: asyncio.Event) -> None:
    if stopping.is_set():
        # the second Ctrl-C: the store is crash-safe, so nothing acknowledged is lost
        os._exit(130)
    stopping.set()


def _tell_parent(word: str) -> None:
    descriptor = os.environ.get(READY_FD)
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.write(int(descriptor), word.encode())
            os.close(int(descriptor))


def _read_all(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read().decode()


def _tail(path: pathlib.Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _port(port: int) -> int:
    if not 0 <= port <= 65535:
        raise UsageError(f"a port is between 0 and 65535, not {port}")
    return port


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)


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
            switch("detach", "Return when everything is ready, and leave the cluster running", short="d"),
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
        summary="End a cluster that 'pilot up' runs, and take its entry out of its kubeconfig.",
        usage="down [--name NAME]",
        run=down,
        flags=(_NAME,),
    ),
}
