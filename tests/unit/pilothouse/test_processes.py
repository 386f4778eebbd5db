"""What is said of a process that has to be started again."""

from __future__ import annotations

import logging
import pathlib

import pytest

from actors.reports import Crashed, Restarting
from pilothouse.init.processes import ProcessFailed, Program, Told, last_words

INFO = "2026-01-01T12:00:00.123Z INFO    apiserver.app  all is well"
ERROR = "2026-01-01T12:00:00.123Z ERROR   actors.runner  ended by an error name=x error=disk full"


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", ""),
        (INFO, ""),
        (f"{INFO}\n{ERROR}\n{INFO}\n", "ended by an error name=x error=disk full"),
        (f"{INFO}\nTraceback (most recent call last):\n  File\nKeyError: 'x'\n\n", "KeyError: 'x'"),
        ("apiserver: --port: must be a number\napiserver: try --help\n", "--port: must be a number"),
    ],
)
def test_last_words(tmp_path: pathlib.Path, log: str, said: str) -> None:
    path = tmp_path / "log"
    path.write_text(f"{ERROR} of an earlier life\n")
    begin = path.stat().st_size
    with path.open("a") as file:
        file.write(log)
    assert last_words(Program("apiserver", (), "apiserver ready", path), begin) == said


def test_a_crash_is_one_line_for_a_person(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    told = Told(said.append)
    failed = ProcessFailed("etcdlite", "was killed by signal SIGKILL", pathlib.Path("/var/etcdlite.log"))
    for delay in (0.5, 30.0):
        told(Crashed("control-plane/etcdlite", failed))
        told(Restarting("control-plane/etcdlite", delay))
    assert said == [
        "etcdlite was killed by signal SIGKILL; starting it again (its log: /var/etcdlite.log)",
        "etcdlite was killed by signal SIGKILL; starting it again in 30 s (its log: /var/etcdlite.log)",
    ]
    assert caplog.records == []
    told(Crashed("control-plane/renewal", KeyError("x")))
    told(Restarting("control-plane/renewal", 0.5))
    assert len(said) == 2
    assert "Traceback" in caplog.text or "KeyError" in caplog.text
