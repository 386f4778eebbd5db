"""Phase `preflight`: what would make the processes fail is found before anything is written, and named.

Checks and words are kubeadm's (`[ERROR Port-6443]: Port 6443 is in use`); the process that has a port is named where
the system tells us.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import pathlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from actors import Clock
from pilothouse.init import existing, external_etcd
from pilothouse.init.settings import InitError, InitSettings
from pilothouse.instance import running

PATIENCE = 20.0
"""Seconds for what an earlier `init` left behind to end: its processes are told to when it dies."""
_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a component will listen on, and init's flag for it."""

    number: int
    host: str
    flag: str


def ports(settings: InitSettings) -> Sequence[Port]:
    """All of them."""
    everywhere = settings.any_address
    own_store = [] if settings.etcd_servers else [Port(settings.etcd_port, "127.0.0.1", "etcd-port")]
    return [
        Port(settings.bind_port, everywhere, "apiserver-bind-port"),
        Port(settings.grpc_port, everywhere, "grpc-port"),
        Port(settings.grpc_token_port, everywhere, "grpc-token-port"),
        Port(settings.units_port, everywhere, "units-port"),
        *own_store,
    ]


async def run(settings: InitSettings, *, clock: Clock) -> None:
    """Raises InitError with a line for each thing that is wrong. Waits for processes that are ending."""
    wanted = ports(settings)
    problems = _twice(wanted)
    for port in wanted:
        reason = _why_not(port)
        owner = _listener(port.number) if reason else None
        if owner is not None and _is_ours(owner, settings):
            await _ended(owner, clock)
            reason, owner = _why_not(port), _listener(port.number)
        if reason:
            by = f" by {_command(owner)} (pid {owner})" if owner is not None else ""
            problems.append(f"[ERROR Port-{port.number}]: {reason}{by}; --{port.flag} chooses another")
    if not settings.etcd_servers and (problem := await _store_problem(settings, clock, patient=not problems)):
        problems.append(problem)
    if settings.etcd_servers and (problem := await external_etcd.problem(settings, clock=clock)):
        problems.append(problem)
    if problems:
        raise InitError("[preflight] Some fatal errors occurred:\n\t" + "\n\t".join(problems))


async def _store_problem(settings: InitSettings, clock: Clock, *, patient: bool) -> str:
    """Why the store's directory cannot be used: somebody has it open, or it is another control plane's; "" when it can.

    patient: wait for what an earlier `init` left behind."""
    place = existing.store(settings)
    error = f"[ERROR DirAvailable-{str(place).replace('/', '-')}]: "
    try:
        if not place.exists() or not any(place.iterdir()):
            return ""
    except OSError as failure:
        return f"{error}{place}: {failure.strerror}"
    reason, user = await _unusable(place)
    if patient and user is not None and _is_ours(user, settings):
        await _ended(user, clock)
        reason, user = await _unusable(place)
    if user is not None:
        return f"{error}{place} is in use by {_user(place, user)}; --data-dir chooses another"
    if reason:
        return f"{error}{reason}; --data-dir chooses another"
    if not (settings.pki / "ca.crt").exists():
        return (
            f"{error}{place} is not empty, and {settings.pki} holds no authority: say the --config-dir that it was "
            "made with, or choose another --data-dir"
        )
    return ""


def _user(place: pathlib.Path, pid: int) -> str:
    """Who has a store open: a cluster that pilot runs here, else the process."""
    parent = place.parent.resolve()
    for each in running():
        if each.data_dir and pathlib.Path(each.data_dir).resolve() == parent:
            return f"cluster \"{each.name}\", which 'pilot down {each.name}' ends"
    return f"{_command(pid)} (pid {pid})"


async def _unusable(place: pathlib.Path) -> tuple[str, int | None]:
    """Why a store cannot be opened right now, and the process that has it open, if that is why and it can be known."""
    from etcdlite.errors import DatabaseError
    from etcdlite.store.log import check_usable

    try:
        await asyncio.to_thread(check_usable, str(place))
    except DatabaseError as error:
        return str(error), _locker(place / "LOCK")
    return "", None


def _locker(path: pathlib.Path) -> int | None:
    """The process that holds the lock of a file; None when it is not ours to know."""
    with contextlib.suppress(OSError):
        inode = str(path.stat().st_ino)
        for line in pathlib.Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode and int(words[4]) > 0:
                return int(words[4])
    return None


def _twice(wanted: Sequence[Port]) -> list[str]:
    flags: dict[int, list[str]] = {}
    for port in wanted:
        flags.setdefault(port.number, []).append(f"--{port.flag}")
    return [
        f"[ERROR Port-{number}]: Port {number} is wanted more than once: {', '.join(names)}"
        for number, names in flags.items()
        if len(names) > 1
    ]


def _why_not(port: Port) -> str:
    """Why the port cannot be listened on; "" when it can."""
    with socket.socket(socket.AF_INET6 if ":" in port.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host, port.number))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"Port {port.number} is in use"
            return f"Port {port.number} cannot be listened on: {error.strerror}"
    return ""


def _listener(port: int) -> int | None:
    """The process that listens on a port; None when it is not ours to know."""
    sockets = set(_inodes(port))
    if not sockets:
        return None
    for process in pathlib.Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor) in sockets:
                        return int(process.name)
    return None


def _inodes(port: int) -> Iterator[str]:
    """`socket:[N]` of everything that listens on a port."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in pathlib.Path("/proc/net", table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTENING and int(words[1].rpartition(":")[2], 16) == port:
                    yield f"socket:[{words[9]}]"


def _words(pid: int) -> list[str]:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []


def _command(pid: int) -> str:
    """A process as people know it: `etcd`, or `python3 -m http.server`."""
    words = _words(pid)
    if not words:
        return "a process that just ended"
    return " ".join(" ".join([pathlib.Path(words[0]).name, *words[1:3]]).split())  # in one line, whatever it was given


def _is_ours(pid: int, settings: InitSettings) -> bool:
    """Whether an init on the same directory started it."""
    return any(pathlib.Path(word).parent == settings.config_dir for word in _words(pid))


async def _ended(pid: int, clock: Clock) -> None:
    """Wait until a process ends, PATIENCE at most."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with clock.timeout(PATIENCE):
                await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
