"""What fake containers do: files, annotations, behaviours."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from nodeagent.errors import StageError
from nodeagent.runtime.fake.commands import understood
from nodeagent.runtime.fake.images import normalized
from nodeagent.runtime.fake.records import Addresses
from nodeagent.runtime.fake.stages import FOREVER, Facts, Script, Stage, load

APP = Facts("ns", "web", "app", "nginx")


def with_annotations(**given: str) -> Facts:
    return dataclasses.replace(
        APP, annotations={f"fake.pilothouse.dev/{key.replace('_', '-')}": value for key, value in given.items()}
    )


@pytest.mark.parametrize(
    ("facts", "seconds"),
    [
        (APP, FOREVER),
        (dataclasses.replace(APP, kind="init"), 0.0),
        (dataclasses.replace(APP, restart_policy="Never"), 1.0),
        (dataclasses.replace(APP, restart_policy="OnFailure"), 1.0),
        (dataclasses.replace(APP, kind="sidecar", restart_policy="Never"), FOREVER),
    ],
    ids=["a service", "an init container", "a task", "a task that is tried again", "a task's sidecar"],
)
def test_how_long_a_container_runs_by_default(facts: Facts, seconds: float) -> None:
    stage = Script().stage(facts)
    assert (stage.run_for, stage.exit_code) == (seconds, 0)


def test_annotations_speak_of_regular_containers_or_of_one() -> None:
    facts = with_annotations(exit_code="3", run_for="2s", logs="one\ntwo")
    assert Script().stage(facts) == Stage(name="services-run-for-ever", exit_code=3, run_for=2.0, logs="one\ntwo")
    init = dataclasses.replace(facts, kind="init", container="setup")
    assert Script().stage(init).exit_code == 0
    named = {"fake.pilothouse.dev/exit-code.setup": "9", "fake.pilothouse.dev/exit-code": "3"}
    assert Script().stage(dataclasses.replace(init, annotations=named)).exit_code == 9
    assert Script().stage(dataclasses.replace(APP, annotations=named)).exit_code == 3


@pytest.mark.parametrize("given", [{"exit_code": "many"}, {"run_for": "soon"}, {"colour": "blue"}])
def test_annotations_that_make_no_sense(given: dict[str, str]) -> None:
    with pytest.raises(StageError):
        Script().stage(with_annotations(**given))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["echo", "hello", "world"], (0.0, 0, "hello world")),
        (["sleep", "5"], (5.0, 0, "")),
        (["/bin/sleep", "1m"], (60.0, 0, "")),
        (["sleep", "infinity"], (FOREVER, 0, "")),
        (["false"], (0.0, 1, "")),
        (["sh", "-c", "echo 'a  b'; sleep 2 && echo c\nexit 3; echo never"], (2.0, 3, "a  b\nc")),
        (["sh", "-c", "false && echo never; echo on"], (0.0, 0, "on")),
        (["/bin/sh", "-c", "sleep 1; false"], (1.0, 1, "")),
        (["sh", "-c", "echo $HOME"], None),
        (["sh", "-c", "while true; do date; done"], None),
        (["sh", "-c", "echo a | wc"], None),
        (["sh", "-c", "echo 'unfinished"], None),
        (["echo", "-e", "a"], None),
        (["sleep", "soon"], None),
        (["python", "app.py"], None),
        ([], None),
    ],
)
def test_commands_that_are_understood(command: list[str], expected: tuple[float, int, str] | None) -> None:
    stage = understood(dataclasses.replace(APP, command=command))
    assert (stage and (stage.run_for, stage.exit_code, stage.logs)) == expected


def test_args_are_a_command_only_where_the_image_has_none() -> None:
    args = ("echo", "hi")
    assert understood(dataclasses.replace(APP, args=args)) is None
    assert understood(dataclasses.replace(APP, image="docker.io/library/busybox:1.36", args=args)) is not None
    assert understood(dataclasses.replace(APP, command=("echo",), args=("hi",))) == Stage(
        name="command", run_for=0.0, logs="hi"
    )


def test_a_behaviour_speaks_first() -> None:
    def crash_once(facts: Facts) -> Stage | None:
        return Stage(run_for=0, exit_code=1) if facts.attempt == 0 else None

    script = Script(behaviours=[crash_once])
    assert script.stage(APP).exit_code == 1
    assert script.stage(dataclasses.replace(APP, attempt=1)).run_for == FOREVER


def document(**match: Any) -> Any:
    return {"stages": [{"name": "slow", "match": match, "pullDelay": "5s", "runFor": "forever", "exitCode": 2}]}


def test_a_stage_file() -> None:
    [(match, stage)] = load(document(image="registry/*", labels={"app": "w*"}))
    assert stage == Stage(name="slow", pull_delay=5.0, run_for=FOREVER, exit_code=2)
    fitting = dataclasses.replace(APP, image="registry/web:1", labels={"app": "web"})
    assert match.fits(fitting)
    assert not match.fits(APP)
    assert not match.fits(dataclasses.replace(fitting, labels={}))
    assert Script([(match, stage)]).stage(fitting).name == "slow"
    assert Script([(match, stage)]).stage(APP).name == "services-run-for-ever"


@pytest.mark.parametrize(
    "broken", [[], {"stages": {}}, {"stages": ["x"]}, document(colour="red"), {"stages": [{"colour": 1}]}]
)
def test_a_stage_file_that_makes_no_sense(broken: Any) -> None:
    with pytest.raises(StageError):
        load(broken)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("team/app", "docker.io/team/app:latest"),
        ("quay.io/team/app:1", "quay.io/team/app:1"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("app@sha256:0", "docker.io/library/app@sha256:0"),
    ],
)
def test_image_names(name: str, full: str) -> None:
    assert normalized(name) == full


def test_addresses_are_given_once_and_again() -> None:
    addresses = Addresses("10.0.0.0/29")
    taken = [addresses.take() for _ in range(5)]
    assert taken == ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
    assert addresses.take() == ""
    addresses.give_back("10.0.0.4")
    assert addresses.take() == "10.0.0.4"
