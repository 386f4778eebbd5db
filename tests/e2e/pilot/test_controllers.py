"""`units` and `tree`: what they show, and that a stopped controller does nothing until it is started."""

from __future__ import annotations

import json

import pytest

from tests.e2e.pilot.conftest import Pilot


def test_a_stopped_unit_does_nothing_until_it_is_started(here: Pilot) -> None:
    assert here("units", "stop", "job") == "job: inactive (dead)\n"
    try:
        listed = here("units", "list", "--state=inactive").splitlines()
        assert len(listed) == 2 and listed[1].startswith("job ")
        here("create", "job", "j", "--image=j", "--", "true")
        assert "condition not met" in here.fails("wait", "job/j", "--for=condition=Complete", "--timeout=0")
        assert here("get", "pods", "-l", "batch.kubernetes.io/job-name=j", "-o", "name") == ""
    finally:
        here("units", "start", "job")
    here("wait", "job/j", "--for=condition=Complete", "--timeout=30s")
    assert "Active: active (running" in here("units", "status", "job")
    journal = [line.partition(" INFO ")[2] for line in here("units", "journal", "job").splitlines()]
    assert journal[-4:] == ["unit deactivating", "unit inactive", "unit activating", "unit active"]
    assert len(here("units", "journal", "job", "--lines=2").splitlines()) == 2


def test_enabling_is_not_starting(here: Pilot) -> None:
    try:
        assert here("units", "disable", "cronjob").startswith("cronjob: active (running")
        assert here("units", "disable", "--now", "cronjob") == "cronjob: inactive (dead)\n"
        assert here("units", "enable", "cronjob") == "cronjob: inactive (dead)\n"
    finally:
        here("units", "enable", "--now", "cronjob")
    assert here("units", "status", "cronjob").splitlines()[1].endswith("loaded (enabled)")


def test_tree(pilot: Pilot) -> None:
    text = pilot("tree", "--depth=1")
    for part in ("etcdlite", "apiserver", "controllermgr", "scheduler", "nodeagent"):
        assert f"─ {part} " in text
    tree = json.loads(pilot("tree", "-o", "json"))
    assert tree["state"] == "running"
    assert {child["name"] for child in tree["children"]} >= {"apiserver", "scheduler"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("units stop nope", "Error from server (NotFound): unit nope not found"),
        ("units journal nope", "Error from server (NotFound): unit nope not found"),
        ("units start", "error: name at least one unit; 'pilot units' lists them"),
        ("units --state=bogus", "error: --state must be of active, activating, backoff, "),
        ("units nope", 'error: unknown command "nope" for "pilot units"'),
        ("units journal job --lines=x", 'error: invalid argument "x" for "--lines" flag: must be an integer'),
        ("tree nope", "error: unexpected arguments: [nope]"),
        ("tree -o yaml", 'error: --output must be json, not "yaml"'),
    ],
)
def test_refusals(pilot: Pilot, words: str, said: str) -> None:
    assert pilot.fails(*words.split()).startswith(said)
