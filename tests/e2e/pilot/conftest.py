"""`pilot` as a user runs it: a process for every call, one detached cluster of two nodes for all tests.

Each file of tests has a namespace of its own there (`here`), and many begin with a deployment that runs (`web`). The
processes are forks of one that has done the imports (`tests/support/forks.py`); what goes on while a test looks is a
process like any other (`streaming`).
"""

from __future__ import annotations

import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.support.forks import Forks
from tests.support.kubectl import WHY_NOT, newest

ROOT = pathlib.Path(__file__).parents[3]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = pathlib.Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.xdist_group("pilot"))


@dataclass(frozen=True)
class Result:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


class Stream:
    """A command that goes on; what it prints, on either channel, comes line by line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._left = b""

    def line(self, timeout: float = 30.0) -> str:
        """The next line, when it is there. Raises TimeoutError, EOFError."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout
        while b"\n" not in self._left:
            if not select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"no whole line after {timeout:g} s, only {self._left!r}")
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise EOFError(f"it ended; the last words were {self._left!r}")
            self._left += data
        line, _, self._left = self._left.partition(b"\n")
        return line.decode()

    def until(self, said: str) -> str:
        """The next line with this in it; those before are passed over."""
        while said not in (line := self.line()):
            pass
        return line

    def ends(self, *, with_signal: signal.Signals | None = None) -> tuple[int, str]:
        """Its exit code and the rest of what it printed, after a signal if one is given."""
        if with_signal is not None:
            self._process.send_signal(with_signal)
        out, _ = self._process.communicate(timeout=30)
        return self._process.returncode, (self._left + out).decode()


@dataclass(frozen=True)
class Pilot:
    """The command with its own kubeconfig and home, both below `directory`."""

    forks: Forks
    directory: pathlib.Path

    @property
    def kubeconfig(self) -> pathlib.Path:
        return self.directory / "kubeconfig"

    @property
    def environment(self) -> dict[str, str]:
        own = {"PILOTHOUSE_HOME": str(self.directory / "home"), "KUBECONFIG": str(self.kubeconfig)}
        return {**os.environ, "PYTHONPATH": str(ROOT), **own}

    def run(self, *words: str, stdin: str = "", **environment: str) -> Result:
        """Run it to its end, however it ends; a traceback is a failure wherever it is."""
        done = self.forks.run(
            words, stdin=stdin, env={**self.environment, **environment}, cwd=str(self.directory), timeout=60
        )
        result = Result(*done)
        assert "Traceback" not in result.out + result.err, f"pilot {' '.join(words)}\n{result.out}{result.err}"
        return result

    def __call__(self, *words: str, stdin: str = "", **environment: str) -> str:
        """Run a command that must succeed; what it printed."""
        result = self.run(*words, stdin=stdin, **environment)
        assert result.code == 0, f"pilot {' '.join(words)}\n{result.out}{result.err}"
        return result.out

    def fails(self, *words: str, stdin: str = "", code: int = 1, **environment: str) -> str:
        """Run a command that must fail; what it said on standard error."""
        result = self.run(*words, stdin=stdin, **environment)
        assert result.code == code, f"pilot {' '.join(words)}\n{result.out}{result.err}"
        return result.err.strip()

    @contextmanager
    def streaming(self, *words: str) -> Iterator[Stream]:
        """Run a command that goes on; it is killed at the end of the block if it still runs."""
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment,
            cwd=self.directory,
        )
        try:
            yield Stream(process)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """Run real kubectl on the same kubeconfig, with success; what it printed. Skips where there is none."""
        if not newest():
            pytest.skip(WHY_NOT)
        home = {"HOME": str(self.directory), "KUBECACHEDIR": str(self.directory / "cache")}
        done = subprocess.run(
            [newest(), *words], input=stdin, env={**self.environment, **home}, cwd=self.directory,
            text=True, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, f"kubectl {' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, name: str, text: str) -> str:
        """A file in the directory where commands run; its name."""
        (self.directory / name).write_text(text)
        return name

    def within(self, namespace: str) -> Pilot:
        """The same, with a context that has this namespace."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        for item in config["contexts"]:
            item["context"]["namespace"] = namespace
        directory = self.directory / namespace
        directory.mkdir()
        (directory / "kubeconfig").write_text(yaml.safe_dump(config))
        return Pilot(self.forks, directory)

    def json(self, *words: str) -> dict[str, Any]:
        """The object that `pilot get ... -o json` prints."""
        document: dict[str, Any] = json.loads(self("get", *words, "-o", "json"))
        return document


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    forks = Forks(str(ROOT))
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def pilot(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pilot]:
    """With a cluster called "main" of two nodes, which is the current context."""
    pilot = Pilot(forks, tmp_path_factory.mktemp("pilot"))
    pilot("up", "--name", "main", "--nodes", "2", "--detach")
    try:
        yield pilot
    finally:
        pilot("down", "--name", "main")


@pytest.fixture
def alone(forks: Forks, tmp_path: pathlib.Path) -> Pilot:
    """A home of its own, with no cluster."""
    return Pilot(forks, tmp_path)


@pytest.fixture(scope="module")
def here(pilot: Pilot, request: pytest.FixtureRequest) -> Iterator[Pilot]:
    """The command in a namespace of the file's own."""
    namespace = request.module.__name__.rpartition(".")[2].replace("_", "-")
    pilot("create", "namespace", namespace)
    yield pilot.within(namespace)
    pilot("delete", "namespace", namespace, "--wait=false")


WEB = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: busybox
        command: [sh, -c, "echo one; echo two; echo three; sleep 3600"]
"""


@pytest.fixture(scope="module")
def web(here: Pilot) -> str:
    """`deployment/web`, rolled out, with two pods."""
    here("apply", "-f", "-", stdin=WEB)
    here("rollout", "status", "deployment/web", "--timeout=60s")
    return "deployment/web"
