"""`pilot up` and `pilot down`: a whole cluster in one process on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from cli import foreground
from cli.command import Command
from cli.errors import CliError, UsageError, in_words
from cli.flags import Flag, Kind, Parsed, switch

if TYPE_CHECKING:
    from actors import Clock
    from apiserver.storage.servers import EtcdServers
    from cli.context import Session
    from pilothouse.cluster import Cluster
    from pilothouse.instance import Claim, Record

DEFAULT_NAME = "pilothouse"
LOOPBACK = "127.0.0.1"
A_LITTLE = 1 << 20
"""Bytes; a store that has less can write nothing more."""
BEGIN_ANEW = "Restore it from a copy, or begin anew in another directory."
WARNING = "Warning:"
NO_DATA_DIR = "With --data-dir the next start has the same authority and keys."
START_SECONDS = 60.0
STOP_SECONDS = 30.0


async def up(session: Session, flags: Parsed) -> int:
    from pilothouse.instance import Claim, InstanceError, find

    _check_given(flags, "up")
    if flags["nodes"] < 0 or flags["nodes"] > 1000:
        raise UsageError("--nodes must be between 0 and 1000")
    for name in ("port", "grpc-port", "etcd-port"):
        _check_port(name, flags[name])
    store = _store(flags)
    flags.values["bind-address"] = flags["bind-address"].removeprefix("[").removesuffix("]")

    async def run() -> int:
        from controllermgr.errors import BadConfig

        claim = Claim(flags["name"])
        if not flags["detach"]:
            running = foreground.Foreground()
            try:
                with claim:
                    return await _run(claim, flags, store, running, session.clock)
            except BadConfig as error:
                raise CliError(str(error)) from None
        await _check_kubeconfig(claim.name, flags, session.clock)
        print(f'Starting cluster "{claim.name}" ...', flush=True)
        await foreground.detach(claim, ["up"], flags, say=_warn)
        record = find(claim.name)
        if record is None:
            raise CliError("the cluster ended right after it was ready", hint=f"Its log: {claim.log}")
        _introduce(record, print, current=flags["use-context"])
        return 0

    return await foreground.refusing(run, InstanceError, OSError)


def _warn(line: str) -> None:
    """Of what a detached start says, only what may surprise."""
    if line.startswith(WARNING):
        print(line, flush=True)


async def _run(
    claim: Claim, flags: Parsed, store: EtcdServers | None, running: foreground.Foreground, clock: Clock
) -> int:
    """The cluster, in the foreground, until a signal ends it."""
    import sqlite3

    from machinery.errors import ApiError
    from pilothouse.holding import StoreTaken

    started = time.monotonic()
    files = await _check_kubeconfig(claim.name, flags, clock)
    running.say(f'Starting cluster "{claim.name}" ...')
    cluster = _make(claim.name, flags, store)
    if store is not None and not await running.unless_stopped(_examine(store, cluster, flags, running, clock)):
        return foreground.STOPPED

    async def start() -> None:
        await cluster.start()
        count = len(cluster.node_names)
        running.say(f"API server answers; waiting for {count} node{'s' if count != 1 else ''} ...")
        await cluster.nodes_ready()

    try:
        if not await running.unless_stopped(start(), timeout=START_SECONDS):
            return foreground.STOPPED
        record = await _published(cluster, claim, flags, files)
        running.say(f"Ready in {time.monotonic() - started:.1f} s.")
        _introduce(record, running.say, current=flags["use-context"])
        running.ready()
        await running.unless_stopped(cluster.wait())
        running.say("Stopping ...")
        return 0
    except StoreTaken as error:
        raise CliError(
            f"--etcd-servers: {error.holder} runs on it already, at {flags['etcd-prefix']}",
            hint="End that one, or keep this one apart with another --etcd-prefix.",
        ) from None
    except TimeoutError:
        raise CliError(f"not ready after {START_SECONDS:g} s", hint="Run again with -v=1 to see why.") from None
    except (ApiError, sqlite3.Error) as error:
        if not flags["data-dir"] or store is not None:
            raise
        raise _of_storage(error, _store_in(flags)) from error
    finally:
        await cluster.stop()
        await _take_out(claim.name, files, clock)


def _store(flags: Parsed) -> EtcdServers | None:
    """The etcd that is named; None for our own. Raises UsageError, and CliError for TLS files that cannot be used."""
    from apiserver.storage.keys import root_of
    from apiserver.storage.servers import EtcdServers
    from machinery.pki.tls import TlsError, TlsFiles

    given = {name: flags[f"etcd-{name}"] for name in ("cafile", "certfile", "keyfile", "prefix")}
    if not flags["etcd-servers"]:
        if "etcd-servers" in flags.given:
            raise UsageError("--etcd-servers: names no etcd, it is empty; leave it out for our own store")
        for name in given:
            if f"etcd-{name}" in flags.given:
                raise UsageError(f"--etcd-{name} goes with --etcd-servers")
        return None
    if flags["etcd-port"] is not None:
        raise UsageError("--etcd-port serves our own store's API: it means nothing beside --etcd-servers")
    paths = [pathlib.Path(given[name]) if given[name] else None for name in ("certfile", "keyfile", "cafile")]
    try:
        root_of(given["prefix"])
        store = EtcdServers.parse(flags["etcd-servers"], TlsFiles(*paths))
        if not store.secure and any(paths):
            raise ValueError("--etcd-cafile, --etcd-certfile and --etcd-keyfile are for https:// URLs")
        store.files.read().checked()
    except TlsError as error:
        raise CliError(f"--etcd-servers: {error}") from None
    except ValueError as error:
        raise UsageError(str(error)) from None
    return store


async def _examine(
    store: EtcdServers, cluster: Cluster, flags: Parsed, running: foreground.Foreground, clock: Clock
) -> None:
    """Look whether the etcd can be used, and say what may surprise. Raises CliError."""
    from machinery.pki.tls import TlsError
    from pilothouse.external_store import StoreUnreachable, examine

    try:
        found = await examine(store, prefix=flags["etcd-prefix"], clock=clock)
    except (StoreUnreachable, TlsError) as error:
        raise CliError(f"--etcd-servers: {error}") from None
    for url, why in found.silent.items():
        running.say(f"{WARNING} {url} does not answer: {why}. The others are used until it does.")
    if found.authority and found.authority.strip() != cluster.authority.strip():
        kept = "Start it with that one's --data-dir to keep them." if flags["data-dir"] else NO_DATA_DIR
        running.say(
            f"{WARNING} the cluster in this etcd was made with another authority. Its objects are all here; "
            f"certificates and service account tokens that were given out before are not accepted. {kept}"
        )


def _make(name: str, flags: Parsed, store: EtcdServers | None = None) -> Cluster:
    """The cluster, not started yet. Raises CliError for a port or a data directory that cannot be used."""
    from etcdlite.errors import DatabaseError
    from pilothouse.cluster import Cluster, Listen
    from pilothouse.credentials import CredentialsError
    from pilothouse.instance import running as recorded

    for flag, host in (("port", flags["bind-address"]), ("grpc-port", flags["bind-address"]), ("etcd-port", LOOPBACK)):
        if flags[flag] is not None:
            _check_free(host, flags[flag], flag)
    try:
        if flags["data-dir"] and store is None:
            from etcdlite.store.log import check_usable

            place = _store_in(flags)
            place.mkdir(parents=True, exist_ok=True)
            check_usable(str(place))
        return Cluster(
            name=name,
            nodes=flags["nodes"],
            data_dir=flags["data-dir"] or None,
            controllers=flags["controllers"],
            listen=Listen(
                host=flags["bind-address"],
                port=flags["port"],
                grpc_port=flags["grpc-port"],
                etcd_port=flags["etcd-port"],
            ),
            etcd_servers=store,
            etcd_prefix=flags["etcd-prefix"],
            holder=_holder(name) if store is not None else "",
        )
    except CredentialsError as error:
        raise CliError(f"--data-dir: {error}") from None
    except DatabaseError as error:
        users = [each for each in recorded() if each.data_dir == str(_store_in(flags).parent.resolve())]
        hint = (
            f"Cluster \"{users[0].name}\" uses it: end that with 'pilot down {users[0].name}'." if users else BEGIN_ANEW
        )
        raise CliError(f"--data-dir: {error}", hint=hint) from None
    except OSError as error:
        raise CliError(f"--data-dir: {in_words(error)}") from None


def _holder(name: str) -> str:
    """How a cluster on a store that is not its own calls itself to others."""
    import socket

    from pilothouse.instance import home

    return f'cluster "{name}" of host {socket.gethostname()} ({home().resolve()})'


def _store_in(flags: Parsed) -> pathlib.Path:
    """Where the store's file is, of who keeps data."""
    return pathlib.Path(flags["data-dir"]) / "etcd"


def _of_storage(error: Exception, place: pathlib.Path) -> Exception:
    """What ended a cluster that keeps data, when it was the disk; else the error itself."""
    import shutil
    import sqlite3

    if shutil.disk_usage(place).free < A_LITTLE:
        return CliError(f"--data-dir: {place}: No space left on device", hint="Make room there and start it again.")
    if isinstance(error, sqlite3.Error):
        return CliError(f"--data-dir: {place}: {error}", hint=BEGIN_ANEW)
    return error


def _check_free(host: str, port: int, flag: str) -> None:
    """Raise CliError, in the field's words, unless this can be listened on right now."""
    import socket

    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise CliError(f"--bind-address: lookup {host}: {error.strerror}") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            why = os.strerror(error.errno or 0)
            of_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
            raise CliError(
                f"listen tcp {at}: bind: {why[:1].lower()}{why[1:]}",
                hint=f"Choose another port with --{flag}."
                if of_port
                else "Choose another address with --bind-address.",
            ) from None


async def _check_kubeconfig(name: str, flags: Parsed, clock: Clock) -> tuple[str, ...]:
    """The files that the entry will go to. Raises CliError, before anything is started, when it cannot.

    What a cluster of this name left behind in others is taken out of them."""
    from machinery.client import kubeconfig
    from pilothouse import entry
    from pilothouse.instance import left

    try:
        async with kubeconfig.editing(flags["kubeconfig"] or None, clock=clock) as config:
            taken = entry.foreign(config, name)
            path = config.path_of(f"{taken[0]}s", name) if taken else ""
            files = tuple(str(each.absolute()) for each in config.paths)
    except (kubeconfig.KubeConfigError, OSError) as error:
        raise CliError(in_words(error)) from None
    if taken:
        raise CliError(
            f'{path} has a {" and a ".join(taken)} named "{name}" already, which pilot did not make',
            hint="Choose another --name, or another file with --kubeconfig.",
        )
    before = left(name)
    if before and before.kubeconfigs != files:
        await _take_out(name, before.kubeconfigs, clock)
    return files


async def _published(cluster: Cluster, claim: Claim, flags: Parsed, files: tuple[str, ...]) -> Record:
    """Write the kubeconfig entry and make the cluster known on this machine."""
    from machinery.client import kubeconfig
    from pilothouse.instance import Record

    entry = cluster.entry()
    try:
        async with kubeconfig.editing(clock=cluster.clock, environ=_listing(files)) as config:
            entry.merge_into(config, use=flags["use-context"])
    except kubeconfig.KubeConfigError as error:
        raise CliError(str(error)) from None
    record = Record(
        command="up",
        name=claim.name,
        pid=os.getpid(),
        server=entry.server,
        grpc=entry.grpc,
        kubeconfig=str(config.path_of("contexts", claim.name).resolve()),
        nodes=tuple(cluster.node_names),
        data_dir=str(pathlib.Path(flags["data-dir"]).resolve()) if flags["data-dir"] else "",
        store=flags["etcd-servers"],
        log=str(claim.log),
        kubeconfigs=files,
    )
    claim.publish(record)
    return record


async def _take_out(name: str, files: tuple[str, ...], clock: Clock) -> bool:
    """Take a cluster's entry out of kubeconfig files; whether there was one. What cannot be done is a warning."""
    from machinery.client import kubeconfig
    from pilothouse import entry

    if not files:
        return False
    try:
        if not entry.known(kubeconfig.load(environ=_listing(files)), name):
            return False
        async with kubeconfig.editing(clock=clock, environ=_listing(files)) as config:
            return entry.remove(config, name)
    except (kubeconfig.KubeConfigError, OSError) as error:
        print(f"Warning: its kubeconfig entry stays: {in_words(error)}", file=sys.stderr)
        return False


def _listing(files: tuple[str, ...]) -> dict[str, str]:
    """An environment that names exactly these kubeconfig files."""
    return {"KUBECONFIG": os.pathsep.join(files)}


def _introduce(record: Record, say: Callable[[str], None], *, current: bool) -> None:
    count = len(record.nodes)
    say(f"\nCluster    {record.name} ({count} fake node{'s' if count != 1 else ''})")
    say(f"API        {record.server}, gRPC {record.grpc}")
    say(f'Kubeconfig {record.kubeconfig} (context "{record.name}"{", now current" if current else ""})')
    if record.store:
        say(f"Data       in {record.store}")
        say(f"Identity   {record.data_dir or 'in memory: new certificates and keys at every start'}")
    else:
        say(f"Data       {record.data_dir or 'in memory: gone when the cluster ends'}")
    prefix = "" if _is_default(record.kubeconfig) else f"--kubeconfig {record.kubeconfig} "
    if not current:
        prefix += f"--context {record.name} "
    say("\nTry next:")
    say(f"  kubectl {prefix}get nodes")
    say(f"  pilot {prefix}apply -f examples/guestbook")
    say(f"  pilot down {record.name}")


def _is_default(path: str) -> bool:
    """Whether kubectl reads this file without being told."""
    from machinery.client import kubeconfig

    return pathlib.Path(path) in [each.resolve() for each in kubeconfig.default_paths(os.environ)]


async def down(session: Session, flags: Parsed) -> int:
    from pilothouse.instance import InstanceError, alive, find, forget, home, left, running

    _check_given(flags, "down")
    names = dict.fromkeys([*flags.args, *([flags["name"]] if "name" in flags.given else [])])
    if len(names) > 1:
        raise UsageError(f"down ends one at a time, got {', '.join(names)}")
    name = next(iter(names), DEFAULT_NAME)
    record = find(name) or left(name)
    if record is None:
        known = [each.name for each in running()]
        hint = f"Running: {', '.join(known)}." if known else f"No cluster is recorded in {home()}."
        raise CliError(f'no cluster named "{name}" runs', hint=hint)
    place = home() / name
    ran = alive(place)
    if ran:
        await _end(record, place)
    taken_out = await _take_out(name, record.kubeconfigs, session.clock)
    with contextlib.suppress(InstanceError, OSError):
        forget(name)
    kept = f" Its data stays in {record.store or record.data_dir}." if record.store or record.data_dir else ""
    what = f'{"Node" if record.command == "join" else "Cluster"} "{name}"'
    if ran:
        print(f"{what} ended.{kept}")
    else:
        cleaned = f" Its entry is taken out of {record.kubeconfig}." if taken_out else ""
        print(f"{what} had ended already, without order (process {record.pid}).{cleaned}{kept}")
    return 0


async def _end(record: Record, place: pathlib.Path) -> None:
    """Tell a process to end, and wait until it has. Raises CliError."""
    from pilothouse.instance import alive

    try:
        os.kill(record.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise CliError(f'cluster "{record.name}" (process {record.pid}) belongs to another user') from None
    deadline = time.monotonic() + STOP_SECONDS
    while alive(place):
        if time.monotonic() > deadline:
            raise CliError(
                f'cluster "{record.name}" (process {record.pid}) still runs after {STOP_SECONDS:g} s',
                hint=f"'kill -9 {record.pid}' ends it; nothing that was acknowledged is lost.",
            )
        await asyncio.sleep(0.05)


def _check_given(flags: Parsed, command: str) -> None:
    """Raise UsageError for flags of a connection: there is none, and who gives them means something else."""
    for flag in ("context", "cluster", "user", "namespace", "server", "token", "request-timeout"):
        if flag in flags.given:
            raise UsageError(f"--{flag} means nothing to {command}: it does not connect to a cluster")


def _check_port(name: str, port: int | None) -> None:
    if port is not None and not 0 <= port <= 65535:
        raise UsageError(f"--{name} must be between 0 and 65535, not {port}")


_NAME = Flag("name", "Name of the cluster and of its kubeconfig context", default=DEFAULT_NAME)

COMMANDS = {
    "up": Command(
        name="up",
        summary="Run a whole cluster in one process on this machine: store, API server, controllers, scheduler, nodes.",
        usage="up [--name NAME] [--nodes N] [--data-dir DIR] [--etcd-servers URLS] [--kubeconfig FILE] [-d] [flags]",
        run=up,
        arguments=False,
        flags=(
            _NAME,
            Flag("nodes", "How many nodes on the fake runtime", kind=Kind.INT, default=1),
            Flag("data-dir", "Where the store and the certificates are kept; not given: in memory"),
            Flag("etcd-servers", "URLs of an etcd cluster to use in place of our own store, comma-separated"),
            Flag("etcd-cafile", "Authority of its certificates"),
            Flag("etcd-certfile", "Certificate to show to it"),
            Flag("etcd-keyfile", "The certificate's private key"),
            Flag("etcd-prefix", "What the cluster's keys begin with in it", default="/registry"),
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
        examples="""
# Three nodes, and data that outlives the process
pilot up --name dev --nodes 3 --data-dir ./dev

# On an etcd cluster, with what makes its certificates and tokens in a directory of its own
pilot up --etcd-servers http://10.0.0.1:2379,http://10.0.0.2:2379,http://10.0.0.3:2379 --data-dir ./dev

# What runs is recorded in ~/.local/state/pilothouse; PILOTHOUSE_HOME names another directory
PILOTHOUSE_HOME=/tmp/mine pilot up --detach
""",
    ),
    "down": Command(
        name="down",
        summary="End what 'pilot up', 'init' or 'join' runs; of 'up', take its entry out of its kubeconfig.",
        usage="down [--name NAME]",
        run=down,
        flags=(_NAME,),
    ),
}
