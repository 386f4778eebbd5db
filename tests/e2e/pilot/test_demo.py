"""`make demo`'s program: Ctrl-C ends all that it started, whenever it comes, and what it prints to try can be tried."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.pilot.conftest import ROOT, Pilot, Stream


@contextmanager
def demo(alone: Pilot, *words: str) -> Iterator[tuple[Stream, subprocess.Popen[bytes]]]:
    """The demo with a home and a terminal of its own."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "examples" / "guestbook" / "demo.py", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=alone.environment, cwd=alone.directory, start_new_session=True,
    )  # fmt: skip
    try:
        yield Stream(process), process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("when", "code"),
    [("Starting cluster", 130), ("pilot apply", 130), ("workloads ready", 130), ("pilot get nodes", 130),
     ("It stays up", 0)],
)  # fmt: skip
def test_ctrl_c_ends_all_of_it(alone: Pilot, when: str, code: int) -> None:
    with demo(alone) as (stream, process):
        stream.until(when)
        os.killpg(process.pid, signal.SIGINT)
        said = stream.ends()
    assert said[0] == code
    assert "Traceback" not in said[1] and "error" not in said[1]
    assert not list((alone.directory / "home").iterdir())


def test_what_it_prints_works(alone: Pilot) -> None:
    with demo(alone) as (stream, _):
        exported = stream.until("  export ").strip()
        assert f"PILOTHOUSE_HOME={alone.directory / 'home'}" in exported
        hints = []
        while "It stays up" not in (line := stream.line()):
            if line.startswith("  pilot ") and "--watch" not in line:
                hints.append(line.strip().removeprefix("pilot "))
        assert any(" logs " in hint for hint in hints) and hints[-1] == "down demo"
        with demo(alone) as (second, _):
            assert second.line() == 'A cluster named "demo" runs already. This ends it:'
            assert second.until("pilot down demo")
            assert second.ends()[0] == 1
        own = {"KUBECONFIG": str(alone.directory / ".demo" / "kubeconfig")}
        for hint in hints:
            assert alone(*hint.split(), **own).strip(), f"pilot {hint} shows nothing"
        code, last = stream.ends()
        assert (code, last.strip()) == (0, 'Cluster "demo" ended.')


def test_a_cluster_that_is_killed_is_told_from_one_that_is_ended(alone: Pilot) -> None:
    with demo(alone) as (stream, _):
        stream.until("It stays up")
        record = json.loads((alone.directory / "home" / "demo" / "instance.json").read_text())
        os.kill(record["pid"], signal.SIGKILL)
        said = stream.ends()[1].strip()
    assert said.startswith(f'Cluster "demo" had ended already, without order (process {record["pid"]}).')
