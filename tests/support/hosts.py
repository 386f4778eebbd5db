"""Hosts that are network namespaces of this machine, joined by a bridge, and the processes that run on them.

    with network(tmp_path, count=3) as (first, second, third):
        with first.start("python", ...) as running:
            running.until("ready", seconds=30)

A host has its own interfaces, routes, ports and loopback, its own HOME, configuration and data; it shares the kernel
and the file system. All hosts reach each other and their gateway, and nothing else. A `Host` without `netns` is this
machine itself. Everything is gone at the end, whatever ran there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from machinery import manifest
from tests.support import kubectl

ROOT = Path(__file__).resolve().parents[2]
SUBNET = "10.77.0"
"""First three numbers of the hosts' addresses; they are seen in the namespaces only."""
NEEDED = ("ip", "nsenter")


def missing() -> str:
    """Why there can be no hosts here; "" when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (apt-get install iproute2 util-linux)"
    probe = f"plt-{secrets.token_hex(3)}"
    try:
        _ip("netns", "add", probe)
        _ip("netns", "delete", probe)
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made here: {error.stderr.strip()}"
    return ""


class Running:
    """A process on a host from `with` to its end: asked to stop, and killed when it does not."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
        )
        self.output = ""
        """What was read."""
        self._unread = ""

    @property
    def pid(self) -> int:
        return self._process.pid

    def lines(self, *, seconds: float) -> Iterator[str]:
        """What it prints after what was read before, line by line; it must go on printing for as long as one asks.

        Raises AssertionError with all output when the process ends, or `seconds` after the first line was asked for."""
        assert self._process.stdout is not None, "it was started with a pipe"
        by = time.monotonic() + seconds
        while True:
            while "\n" in self._unread:
                line, _, self._unread = self._unread.partition("\n")
                yield line
            readable, _, _ = select.select([self._process.stdout], [], [], max(0.0, by - time.monotonic()))
            chunk = os.read(self._process.stdout.fileno(), 65536).decode(errors="replace") if readable else ""
            assert chunk, f"{'it ended' if readable else f'not in {seconds:g} s'}; it said:\n{self.output}"
            self.output += chunk
            self._unread += chunk

    def until(self, text: str, *, seconds: float) -> str:
        """Wait for a line with `text` and return it. Raises AssertionError as `lines` does."""
        return next(line for line in self.lines(seconds=seconds) if text in line)

    def children(self) -> dict[str, int]:
        """Its direct children: module that each runs (`python -m MODULE`) -> process id."""
        return children(self.pid)

    def rest(self, *, seconds: float) -> str:
        """What it prints until it ends, which it must; all of its output."""
        with contextlib.suppress(AssertionError):
            for _ in self.lines(seconds=seconds):
                pass
        self._process.wait(timeout=seconds)
        return self.output

    def close(self) -> None:
        """Read no more: what it prints from now on breaks its pipe."""
        assert self._process.stdout is not None, "it was started with a pipe"
        self._process.stdout.close()

    def wait(self, *, seconds: float) -> int:
        """Its exit code, once it has ended, which it must."""
        return self._process.wait(timeout=seconds)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: no time for a last word."""
        self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def children(pid: int) -> dict[str, int]:
    """A process's direct children: module that each runs (`python -m MODULE`) -> process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f"\nPPid:\t{pid}\n" in (entry / "status").read_text():
                words = (entry / "cmdline").read_text().split("\0")
                if "-m" in words:
                    found[words[words.index("-m") + 1]] = int(entry.name)
    return found


@dataclass(frozen=True, slots=True)
class Host:
    """name: also that of its node. directory: all its files. netns: "" is this machine's own network."""

    name: str
    directory: Path
    address: str
    netns: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Ports in place of init's own: flag -> number."""

    @property
    def config_dir(self) -> Path:
        return self.directory / "etc"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "PILOTHOUSE_HOME": str(self.directory / "state"),
            "KUBECACHEDIR": str(self.directory / "cache"),
            "KUBECONFIG": str(self.config_dir / "admin.conf"),
        }

    def start(self, *command: str) -> Running:
        """Start a command here; use it with `with`."""
        return Running([*self._prefix, *command], self.environment)

    def run(self, *command: str, stdin: str = "", seconds: float = 60.0) -> str:
        """Run a command that must succeed; what it printed on standard output."""
        done = subprocess.run(
            [*self._prefix, *command],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=ROOT,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def kubectl(self, *arguments: str, stdin: str = "", seconds: float = 60.0) -> str:
        """Run kubectl as the administrator."""
        return self.run(kubectl.newest(kubectl.SERVED), *arguments, stdin=stdin, seconds=seconds)

    def watch(self, *arguments: str) -> Running:
        """`kubectl get ... --watch`, to wait for a line of its output; use it with `with`."""
        return self.start(kubectl.newest(kubectl.SERVED), "get", *arguments, "--watch")

    def pilot(self, *arguments: str) -> str:
        """Run pilot as the administrator."""
        return self.run(sys.executable, "-m", "cli", *arguments)

    def refused(self, *arguments: str) -> str:
        """Run pilot, which must refuse in words; what it said on standard error."""
        command = [*self._prefix, sys.executable, "-m", "cli", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment, cwd=ROOT, timeout=60, check=False
        )
        assert done.returncode == 1, f"{' '.join(arguments)}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done.stderr

    def configure(self, component: str, **flags: Any) -> None:
        """Change flags in a component's configuration file, as an administrator would with an editor."""
        path = self.config_dir / f"{component}.yaml"
        document = manifest.load(path.read_text())
        path.write_text(manifest.dump({**document, **{name.replace("_", "-"): flags[name] for name in flags}}))

    def init(self, *flags: str, detach: bool = False) -> Running:
        """`pilot init`; use it with `with`. detach: `pilot down` ends what it leaves running."""
        return self.start(*self._init_command(), *flags, *(["--detach"] if detach else []))

    def init_detached(self) -> str:
        """`pilot init --detach`, to be ended with `pilot down`; what it printed."""
        return self.run(*self._init_command(), "--detach")

    def init_phase(self, phase: str) -> str:
        """`pilot init phase PHASE`; what it printed."""
        return self.run(*self._init_command("phase", phase))

    def init_refused(self, *flags: str) -> str:
        """`pilot init` that does not start; what it said on standard error."""
        return self.refused(*self._init_command()[3:], *flags)

    def join_flags(self) -> Sequence[str]:
        """Where `pilot join` puts its files here."""
        return [f"--config-dir={self.directory / 'node'}", f"--data-dir={self.directory / 'var' / 'node'}"]

    def _init_command(self, *phase: str) -> Sequence[str]:
        directories = [f"--config-dir={self.config_dir}", f"--data-dir={self.directory / 'var'}"]
        address = f"--apiserver-advertise-address={self.address}"
        ports = [f"--{name}={port}" for name, port in self.ports.items()]
        return [sys.executable, "-m", "cli", "init", *phase, address, *directories, *ports]

    def join(self, command: str, runtime: str) -> Running:
        """The line with `pilot join` that init printed, run here; use it with `with`."""
        name, *words = command.split()
        assert name == "pilot", f"no command for pilot: {command}"
        return self.start(
            sys.executable, "-m", "cli", *words, *self.join_flags(), f"--node-name={self.name}", f"--runtime={runtime}"
        )

    @property
    def _prefix(self) -> Sequence[str]:
        # Not `ip netns exec`: that mounts a /sys of its own, without the control groups that runc needs.
        return ("nsenter", f"--net=/run/netns/{self.netns}") if self.netns else ()


@contextlib.contextmanager
def network(directory: Path, *, count: int) -> Iterator[list[Host]]:
    """`count` hosts named host-1, ... with addresses SUBNET.1, ... on one bridge, which is their default route."""
    run = secrets.token_hex(3)
    switch = f"plt-{run}-0"
    hosts = [Host(f"host-{n}", directory / f"host-{n}", f"{SUBNET}.{n}", f"plt-{run}-{n}") for n in range(1, count + 1)]
    try:
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "address", "add", f"{SUBNET}.254/24", "dev", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        for number, host in enumerate(hosts, 1):
            host.directory.mkdir(parents=True)
            _ip("netns", "add", host.netns)
            _ip("-n", switch, "link", "add", f"port{number}", "type", "veth", "peer", "eth0", "netns", host.netns)
            _ip("-n", switch, "link", "set", f"port{number}", "master", "bridge", "up")
            _ip("-n", host.netns, "address", "add", f"{host.address}/24", "dev", "eth0")
            for interface in ("lo", "eth0"):
                _ip("-n", host.netns, "link", "set", interface, "up")
            _ip("-n", host.netns, "route", "add", "default", "via", f"{SUBNET}.254")
        yield hosts
    finally:
        for name in [*(host.netns for host in hosts), switch]:
            with contextlib.suppress(subprocess.CalledProcessError):  # the one that could not be made
                for pid in _ip("netns", "pids", name).split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                _ip("netns", "delete", name)


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
