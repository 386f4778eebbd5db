"""`pilot` as a user runs it: a process for every call, one detached cluster of two nodes for all tests."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

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


@dataclass(frozen=True)
class Pilot:
    """The command with its own kubeconfig and home, both below `directory`."""

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
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words],
            input=stdin,
            env={**self.environment, **environment},
            cwd=self.directory,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert "Traceback" not in done.stdout + done.stderr, f"pilot {' '.join(words)}\n{done.stdout}{done.stderr}"
        return Result(done.returncode, done.stdout, done.stderr)

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

    def json(self, *words: str) -> dict[str, Any]:
        """The object that `pilot get ... -o json` prints."""
        document: dict[str, Any] = json.loads(self("get", *words, "-o", "json"))
        return document


@pytest.fixture(scope="session")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pilot]:
    """With a cluster called "main" of two nodes, which is the current context."""
    pilot = Pilot(tmp_path_factory.mktemp("pilot"))
    pilot("up", "--name", "main", "--nodes", "2", "--detach")
    try:
        yield pilot
    finally:
        pilot("down", "--name", "main")


@pytest.fixture
def alone(tmp_path: pathlib.Path) -> Pilot:
    """A home of its own, with no cluster."""
    return Pilot(tmp_path)
