"""Settings: sources and their order, types and units, messages for what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest

from machinery.process.settings import HelpAsked, SettingsError, load, parse, setting, usage


class Mode(Enum):
    FAST = "fast"
    SAFE = "safe"


@dataclass(frozen=True, slots=True)
class Config:
    name: str = setting(help="Who it is.")
    data_dir: Path | None = setting(None, help="Where the store lives.")
    lease: float = setting(15.0, help="How long a lease lives.", unit="s")
    quota: int = setting(2 * 2**30, help="The largest store.", unit="bytes")
    workers: int = 4
    """How many at once."""
    secure: bool = setting(True, help="Whether to use TLS.")
    urls: tuple[str, ...] = setting((), help="Where it listens.", flag="listen-client-urls")
    labels: Mapping[str, str] = setting(help="Node labels.", factory=dict)
    mode: Mode = Mode.SAFE
    level: Literal["low", "high"] = "low"

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError("workers must be positive")


def read(*argv: str, env: Mapping[str, str] | None = None) -> Config:
    return load(Config, ["--name", "x", *argv], prog="python -m etcdlite", environ=env or {})


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["--data-dir", "/d"], "data_dir", Path("/d")),
        (["-data-dir=/d"], "data_dir", Path("/d")),
        (["--lease", "2m"], "lease", 120.0),
        (["--lease=500ms"], "lease", 0.5),
        (["--lease", "7"], "lease", 7.0),
        (["--quota", "8Gi"], "quota", 8 * 2**30),
        (["--quota", "64MB"], "quota", 64 * 10**6),
        (["--quota", "1.5Ki"], "quota", 1536),
        (["--no-secure"], "secure", False),
        (["--secure=false"], "secure", False),
        (["--secure"], "secure", True),
        (["--listen-client-urls", "a,b", "--listen-client-urls=c"], "urls", ("a", "b", "c")),
        (["--labels", "a=1,b=2"], "labels", {"a": "1", "b": "2"}),
        (["--mode", "fast"], "mode", Mode.FAST),
        (["--level", "high"], "level", "high"),
        (["--workers", "1", "--workers", "2"], "workers", 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_flags(argv: list[str], field: str, value: Any) -> None:
    assert getattr(read(*argv), field) == value


def test_flags_win_over_the_environment_that_over_the_file_that_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "etcdlite.yaml"
    file.write_text("workers: 1\nlease: 30s\nmode: fast\ndataDir: /from/file\nlisten-client-urls: [a, b]\n")
    env = {"ETCDLITE_WORKERS": "2", "ETCDLITE_LEASE": "40", "ETCDLITE_CONFIG": str(file)}
    config = read("--workers", "3", env=env)
    assert (config.workers, config.lease, config.mode, config.level) == (3, 40.0, Mode.FAST, "low")
    assert (config.data_dir, config.urls) == (Path("/from/file"), ("a", "b"))


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--worker", "3"], "unknown flag --worker (did you mean workers?)"),
        (["--workers", "many"], "--workers: must be a whole number, not 'many'"),
        (["--workers", "1.5"], "--workers: must be a whole number, not '1.5'"),
        (["--lease", "5 parsecs"], "--lease: has the unknown unit 'parsecs': use one of ms, s, m, h, d"),
        (["--lease"], "--lease needs a value"),
        (["--secure=maybe"], "--secure: must be true or false, not 'maybe'"),
        (["--mode", "slow"], "--mode: must be one of fast, safe, not 'slow'"),
        (["--level", "mid"], "--level: must be one of low, high, not 'mid'"),
        (["--labels", "a"], "--labels: must be KEY=VALUE, not 'a'"),
        (["extra"], "unexpected argument 'extra'"),
        (["--workers", "0"], "workers must be positive"),
        (["--config", "/nowhere.yaml"], "--config: cannot read /nowhere.yaml: No such file or directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_named(argv: list[str], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(*argv)
    assert caught.value.problems == (says,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("leese: 3\n", "{file}: unknown key 'leese' (did you mean lease?)"),
        ("lease: [1]\n", "{file}: lease: must be a number, not [1]"),
        ("name: null\nlease: null\n", "{file}: lease: must not be empty"),
        ("- a\n", "--config: {file} must hold a mapping, not a list"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read("--config", str(file))
    assert caught.value.problems == (says.format(file=file),)


def test_all_mistakes_are_told_at_once_and_the_exit_code_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(Config, ["--workers", "x", "--lease", "y"], prog="etcdlite", environ={})
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "etcdlite: --name is required",
        "etcdlite: --lease: has the unknown unit 'y': use one of ms, s, m, h, d",
        "etcdlite: --workers: must be a whole number, not 'x'",
        "etcdlite: try --help",
    ]


def test_help_shows_every_field_with_unit_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(HelpAsked):
        read("--help")
    with pytest.raises(SystemExit) as caught:
        parse(Config, ["-h"], prog="etcdlite", description="A store.", environ={})
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.rstrip() == usage(Config, prog="etcdlite", description="A store.")
    for line in (
        "--name TEXT\n      Who it is. (required)",
        "--lease N\n      How long a lease lives. (in s; default: 15)",
        "--workers N\n      How many at once. (default: 4)",
        "--secure\n      Whether to use TLS. (default: true)",
        "--listen-client-urls TEXT\n      Where it listens. (repeatable; default: none)",
        "--mode fast|safe\n      (default: safe)",
    ):
        assert line in text
