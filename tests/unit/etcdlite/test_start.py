"""A server that cannot start says in one line what is in its way, and where."""

from __future__ import annotations

import importlib
import logging
import socket
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etcdlite.__main__ import main
from etcdlite.serve import parse
from etcdlite.store.faults import refusal
from tests.unit.etcdlite.test_tools import store_of

ROOT = Path(__file__).parents[3]
Line = Callable[..., str]


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Line]:
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    before = root.handlers[:], root.level

    def run(*words: object, code: int) -> str:
        """All that it said, which is one line."""
        assert main([str(word) for word in words]) == code
        said = capsys.readouterr()
        (text,) = said.err.splitlines()
        assert text.startswith("etcdlite: ") and "Errno" not in text
        assert not said.out
        return text

    yield run
    root.handlers[:], root.level = before


def test_a_unix_socket_that_cannot_be_had(tmp_path: Path, line: Line) -> None:
    def told(path: str) -> str:
        text = line("--listen-client-urls", f"unix://{path}", code=1)
        assert text.startswith(f"etcdlite: cannot listen on unix://{path}: ")
        assert text.endswith("; choose another --listen-client-urls")
        return text

    assert "No such file or directory" in told("/nonexistent/x.sock")
    (tmp_path / "text").write_text("")
    assert "no socket" in told(str(tmp_path / "text"))
    assert (tmp_path / "text").exists()
    assert "too long" in told(f"/tmp/{'x' * 200}")
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(tmp_path / "s"))
        taken.listen()
        assert "in use" in told(str(tmp_path / "s"))
    assert (tmp_path / "s").exists(), "it is somebody else's"


@pytest.mark.parametrize("flag", ["--listen-client-urls", "--listen-metrics-urls"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://127.0.0.1:x", "http://127.0.0.1", "http://:1"])
def test_a_port_that_is_none(flag: str, url: str, line: Line) -> None:
    assert f"{flag}: '{url}' must name a host and a port of 0 to 65535" in line(flag, url, code=2)


def test_a_data_directory_that_cannot_be_one(tmp_path: Path, line: Line) -> None:
    (tmp_path / "text").write_text("")
    assert "text: cannot be used as data directory: it is a file; choose" in line("--data-dir", "text", code=1)
    assert "a file is in its path; choose" in line("--data-dir", "text/x", code=1)
    told = str(refusal(PermissionError(13, "Permission denied", "/d/LOCK"), Path("/d/store.db")))
    assert told == "/d: cannot be used as data directory: Permission denied (/d/LOCK)"


def test_a_log_that_cannot_be_written(line: Line) -> None:
    url = ("--listen-client-urls", "http://127.0.0.1:0")
    told = line(*url, "--log-outputs", "/nonexistent/x.log", code=1)
    assert "--log-outputs: cannot write /nonexistent/x.log: No such file or directory" in told


def test_damage_is_told_the_same_wherever_it_is_found(tmp_path: Path, line: Line) -> None:
    store_of(tmp_path / "data")
    whole = (tmp_path / "data" / "store.db").read_bytes()

    def flipped(offset: int) -> str:
        damaged = bytearray(whole)
        damaged[offset] ^= 0xFF
        (tmp_path / "data" / "store.db").write_bytes(damaged)
        url = ("--listen-client-urls", "http://127.0.0.1:0")
        return line(*url, "--data-dir", "data", "--experimental-initial-corrupt-check", "--log-level=fatal", code=1)

    for offset in (47, whole.rfind(b"k9")):  # in SQLite's header, which is read first, and in a key
        told = flipped(offset)
        assert "data: cannot be used as data directory: store.db is damaged (" in told
        assert told.endswith("restore a snapshot into an empty directory")


def test_it_is_a_command_of_its_own() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, name = scripts["etcdlite"].partition(":")
    assert getattr(importlib.import_module(module), name) is main


def test_certificates_for_nothing_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    parse(["--cert-file", "nope", "--key-file", "nope"])
    assert "ignored, since no URL begins with https://" in capsys.readouterr().err
    parse(["--cert-file", "nope", "--key-file", "nope", "--listen-client-urls", "https://127.0.0.1:0"])
    assert not capsys.readouterr().err
