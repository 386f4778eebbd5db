"""`get`: every format, and watching while things happen."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from tests.e2e.pilot.conftest import Pilot, Stream


@pytest.fixture(scope="module")
def maps(here: Pilot) -> tuple[str, str]:
    """Two ConfigMaps with the label set=two."""
    for name, size in (("a", "2"), ("b", "1")):
        text = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"set": "two"}}}
        here("create", "-f", "-", stdin=yaml.safe_dump({**text, "data": {"size": size}}))
    return "a", "b"


JSONPATH = "{range .items[*]}{.metadata.name}={.data.size};{end}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-o name", "configmap/a\nconfigmap/b\n"),
        ("-o jsonpath={.items[*].data.size}", "2 1"),
        ("-o jsonpath-file=template", "a=2;b=1;"),
        ("-o jsonpath-as-json={.items[*].data.size}", '[\n    "2",\n    "1"\n]\n'),
        ("-o custom-columns=N:.metadata.name,S:.data.size", "N     S\na     2\nb     1\n"),
        ("-o custom-columns=N:.metadata.name,X:.data.x --no-headers", "a     <none>\nb     <none>\n"),
        ("-o custom-columns-file=columns", "NAME   SIZE\na      2\nb      1\n"),
        ("--sort-by=.data.size -o name", "configmap/b\nconfigmap/a\n"),
        ("--no-headers -L set --sort-by={.data.size}", "b     1     AGE   two\na     1     AGE   two\n"),
        ("--show-labels --no-headers", "a     1     AGE   set=two\nb     1     AGE   set=two\n"),
        ("--show-kind --no-headers", "configmap/a   1     AGE\nconfigmap/b   1     AGE\n"),
    ],
    ids=lambda value: value.partition("=")[0] if value.startswith("-") else "",
)  # fmt: skip
def test_formats(here: Pilot, maps: tuple[str, str], words: str, expected: str) -> None:
    here.write("template", JSONPATH)
    here.write("columns", "NAME            SIZE\n.metadata.name  .data.size\n")
    out = here("get", "configmaps", "-l", "set=two", *words.split())
    assert re.sub(r"\b\d+s ?(?= |$)", "AGE", out, flags=re.M) == expected


def test_objects(here: Pilot, maps: tuple[str, str]) -> None:
    listed = here.json("cm", "-l", "set=two")
    assert (listed["kind"], [item["data"] for item in listed["items"]]) == ("List", [{"size": "2"}, {"size": "1"}])
    one = yaml.safe_load(here("get", "cm/a", "-oyaml"))
    assert one == listed["items"][0] and "managedFields" not in one["metadata"]
    assert yaml.safe_load(here("get", "cm/a", "-oyaml", "--show-managed-fields"))["metadata"]["managedFields"]
    assert json.loads(here.kubectl("get", "cm", "a", "-o", "json")) == one


def test_wide_and_several_kinds(here: Pilot, web: str) -> None:
    head, *rows = here("get", "pods", "-o", "wide").splitlines()
    assert head.split()[5:7] == ["IP", "NODE"] and {row.split()[1] for row in rows} == {"1/1"}
    out = here("get", "deploy,rs,pods", "-l", "app=web")
    assert [block.split()[0] for block in out.split("\n\n")] == ["NAME"] * 3
    assert "\ndeployment.apps/web " in out and "\nreplicaset.apps/web-" in out and "\npod/web-" in out


def test_watch_prints_what_happens_while_it_runs(here: Pilot) -> None:
    here("create", "configmap", "seen", "--from-literal=a=1")
    with here.streaming("get", "configmaps", "--field-selector", "metadata.name=seen", "-w") as stream:
        stream.until("NAME")
        assert stream.line().split()[:2] == ["seen", "1"]
        here("patch", "cm", "seen", "--type=merge", "-p", '{"data":{"b":"2"}}')
        assert stream.line().split()[:2] == ["seen", "2"]
        here("delete", "cm", "seen")
        assert stream.line().split()[:2] == ["seen", "2"]
        here("create", "configmap", "seen")
        assert stream.line().split()[:2] == ["seen", "0"]


def test_watch_of_objects(here: Pilot) -> None:
    here("create", "secret", "generic", "seen", "--from-literal=a=b")
    with here.streaming("get", "secret", "seen", "-w", "-o", "json") as stream:
        first = _object(stream)
        here("label", "secret", "seen", "x=y")
        second = _object(stream)
    assert first["metadata"].get("labels") is None and second["metadata"]["labels"] == {"x": "y"}
    assert first["metadata"]["uid"] == second["metadata"]["uid"]
    assert "managedFields" not in {**first["metadata"], **second["metadata"]}


def _object(stream: Stream) -> Any:
    document = ""
    while (line := stream.line()) != "}":
        document += line
    return json.loads(document + "}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("get pods -l a,,=b", "Error from server (BadRequest): "),
        ("get pods a -l a=b", "error: name cannot be provided when a selector is specified"),
        ("get pods a -A", "error: a resource cannot be retrieved by name across all namespaces"),
        ("get pods/a b", "error: there is no need to specify a resource type as a separate argument"),
        ("get", "error: You must specify the type of resource to get."),
        ("get cm nope -o yaml", 'Error from server (NotFound): configmaps "nope" not found'),
        ("get cm nope -w", 'Error from server (NotFound): configmaps "nope" not found'),
        ("get cm -o custom-columns=A", "error: unexpected custom-columns spec: A, expected <header>:<json-path-expr>"),
        ("get cm -o jsonpath={.items[99].kind}", 'error: error executing jsonpath "{.items[99].kind}": array index'),
        ("get cm -o go-template={{.kind}}", "error: unable to match a printer suitable for the output format"),
        ("get cm --chunk-size=x", 'error: invalid argument "x" for "--chunk-size" flag: must be an integer'),
        ("get cm --watch=maybe", 'error: invalid argument "maybe" for "-w, --watch" flag: '),
        ("get cm -o", "error: flag needs an argument: 'o' in -o"),
        ("--bogus", "error: unknown flag: --bogus"),
        ("gte pods", 'error: unknown command "gte" for "pilot"\nDid you mean this?\n\tget'),
    ],
)
def test_refusals(here: Pilot, words: str, said: str) -> None:
    result = here.run(*words.split())
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(said)


def test_nothing_there_is_said_on_standard_error(here: Pilot) -> None:
    assert here.run("get", "jobs").err == "No resources found in test-get namespace.\n"
    assert here.json("jobs")["items"] == []
    assert here("get", "job", "nope", "--ignore-not-found") == ""


def test_what_is_printed_is_utf8_whatever_the_locale_says(here: Pilot) -> None:
    here("create", "configmap", "words", "--from-literal=a=naïve – ☃")
    for output in ("yaml", "json"):
        assert "naïve – ☃" in here("get", "configmap", "words", "-o", output, PYTHONIOENCODING="ascii")
