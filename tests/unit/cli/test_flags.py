"""Flags parse as kubectl's do."""

from __future__ import annotations

from typing import Any

import pytest

from cli.errors import UsageError
from cli.flags import Flag, Kind, first_argument, parse, switch

FLAGS = (
    Flag("namespace", "", short="n"),
    Flag("output", "", short="o"),
    switch("all-namespaces", "", short="A"),
    switch("watch", "", short="w"),
    switch("wait", "", default=True),
    Flag("dry-run", "", default="none", bare="client"),
    Flag("replicas", "", kind=Kind.INT, default=None),
    Flag("timeout", "", kind=Kind.DURATION, default=0.0),
    Flag("filename", "", short="f", kind=Kind.LIST, default=[]),
    Flag("from-literal", "", kind=Kind.ARRAY, default=[]),
)


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("-o yaml", "output", "yaml"),
        ("-oyaml", "output", "yaml"),
        ("-o=yaml", "output", "yaml"),
        ("--output yaml", "output", "yaml"),
        ("--output=yaml", "output", "yaml"),
        ("--output=", "output", ""),
        ("-Aw", "watch", True),
        ("-Aoyaml", "output", "yaml"),
        ("--watch=false", "watch", False),
        ("--wait=false", "wait", False),
        ("", "wait", True),
        ("--dry-run", "dry-run", "client"),
        ("--dry-run=server", "dry-run", "server"),
        ("--replicas=3", "replicas", 3),
        ("--replicas -1", "replicas", -1),
        ("--timeout 1m30s", "timeout", 90.0),
        ("--timeout=-1s", "timeout", -1.0),
        ("--timeout=24h0m0s", "timeout", 86400.0),
        ("--timeout=86400.0", "timeout", 86400.0),
        ("--timeout=90", "timeout", 90.0),
        ("-f a,b -f c", "filename", ["a", "b", "c"]),
        ("-f a,,b", "filename", ["a", "", "b"]),
        ("--filename=", "filename", []),
        ("--from-literal a=1,2 --from-literal b=3", "from-literal", ["a=1,2", "b=3"]),
    ],
)
def test_values(words: str, name: str, value: Any) -> None:
    assert parse(words.split(), FLAGS)[name] == value


def test_flags_and_arguments_mix_and_double_dash_ends_flags() -> None:
    parsed = parse(["pods", "-n", "x", "web", "--watch", "--", "sh", "-c", "ls"], FLAGS)
    assert (parsed.args, parsed.rest, parsed["namespace"]) == (["pods", "web"], ["sh", "-c", "ls"], "x")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--nope", "unknown flag: --nope"),
        ("-z", "unknown shorthand flag: 'z' in -z"),
        ("--output", "flag needs an argument: --output"),
        ("-n", "flag needs an argument: 'n' in -n"),
        ("--replicas=many", 'invalid argument "many" for "--replicas" flag'),
        ("--watch=maybe", 'invalid argument "maybe" for "-w, --watch" flag'),
        ("--timeout=soon", 'invalid argument "soon" for "--timeout" flag'),
    ],
)
def test_refusals(words: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(words.split(), FLAGS)


@pytest.mark.parametrize(
    ("words", "index"),
    [("get pods", 0), ("-n x get", 2), ("--namespace=x get", 1), ("-A get", 1), ("-n x", None), ("", None)],
)
def test_first_argument(words: str, index: int | None) -> None:
    assert first_argument(words.split(), FLAGS) == index


def test_defaults_of_lists_are_not_shared() -> None:
    parse(["-f", "a"], FLAGS)
    assert parse([], FLAGS)["filename"] == []
