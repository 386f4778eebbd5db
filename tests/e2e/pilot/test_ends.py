"""How a command ends when its reader leaves, its user presses Ctrl-C, or it can write no more."""

from __future__ import annotations

import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from tests.e2e.pilot.conftest import Pilot


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def buffering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left in a buffer is written when the interpreter ends, where nobody is there to catch what it raises."""
    monkeypatch.setenv("PYTHONUNBUFFERED", request.param)


@pytest.mark.usefixtures("buffering")
@pytest.mark.parametrize(
    "words", ["get pods -A -o yaml", "get nodes", "describe nodes", "explain pod --recursive", "--help"]
)
@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_reader_that_leaves_early_is_no_error(pilot: Pilot, words: str, reader: str) -> None:
    done = subprocess.run(
        f"{sys.executable} -m cli {words} | {reader}",
        shell=True, env=pilot.environment, text=True, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == (reader != "true")


def test_ctrl_c_ends_quietly(pilot: Pilot) -> None:
    with pilot.streaming("get", "nodes", "-w") as stream:
        stream.until("node-2")
        assert stream.ends(with_signal=signal.SIGINT) == (130, "")


@pytest.mark.usefixtures("buffering")
@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="there is no /dev/full")
def test_what_cannot_be_written_is_an_error(pilot: Pilot) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cli", "get", "nodes"],
            env=pilot.environment, text=True, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


@pytest.mark.parametrize("group", ["rollout", "config", "auth", "create secret", "create service"])
def test_a_group_without_its_command_is_help_and_a_failure(pilot: Pilot, group: str) -> None:
    result = pilot.run(*group.split())
    assert result.code == 1 and f'"pilot {group} <command> --help"' in result.out


def test_a_request_has_the_time_that_the_user_gives_it(pilot: Pilot) -> None:
    over = "error: the server did not answer within --request-timeout={}: context deadline exceeded"
    assert pilot.fails("get", "pods", "--request-timeout=1ms") == over.format("1ms")
    assert "node-2" in pilot("get", "nodes", "--request-timeout=50s")
    # it ends a watch, which is no failure
    assert "node-2" in pilot("get", "nodes", "-w", "--request-timeout=3s")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert pilot.fails("get", "pods", "-s", address, "--request-timeout=300ms") == over.format("300ms")
        said = pilot.fails("get", "pods", "-s", address)
        assert said.startswith("error: cannot reach the server: it takes the connection and does not answer\n")
