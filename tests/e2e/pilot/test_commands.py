"""Commands on objects: what they say, the state they leave, how they refuse."""

from __future__ import annotations

import pytest

from tests.e2e.pilot.conftest import Pilot


def test_a_deployment_from_creation_to_deletion(pilot: Pilot) -> None:
    assert pilot("create", "deployment", "web", "--image=web:1", "--replicas=2") == "deployment.apps/web created\n"
    assert "successfully rolled out" in pilot("rollout", "status", "deployment/web")
    assert len(pilot("get", "pods", "-l", "app=web", "-o", "name").split()) == 2
    assert "Expected replicas to be 9, was 2" in pilot.fails("scale", "deploy", "web", "--replicas=3",
                                                             "--current-replicas=9")  # fmt: skip
    pilot("scale", "deploy", "web", "--replicas=1")
    assert pilot.json("deploy", "web")["spec"]["replicas"] == 1
    assert "no changes made" in (lambda r: r.out + r.err)(pilot.run("edit", "deploy", "web", KUBE_EDITOR="true"))
    assert "Name:                   web" in pilot("describe", "deploy", "web")
    assert "deleted" in pilot("delete", "deploy", "web")
    assert "NotFound" in pilot.fails("get", "deploy", "web")


@pytest.mark.parametrize("verb", ["label", "annotate"])
def test_what_is_there_is_overwritten_only_when_told(pilot: Pilot, verb: str) -> None:
    pilot("create", "configmap", verb)
    field = "labels" if verb == "label" else "annotations"
    pilot(verb, "configmap", verb, "a=b")
    assert "already has a value (b)" in pilot.fails(verb, "configmap", verb, "a=c")
    assert pilot.json("configmap", verb)["metadata"][field]["a"] == "b"
    pilot(verb, "configmap", verb, "a=c", "--overwrite")
    assert pilot.json("configmap", verb)["metadata"][field]["a"] == "c"
    pilot("delete", "configmap", verb)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("get nosuch", "error: the server doesn't have a resource type"),
        ("get pods -o bogus", "error: unable to match a printer"),
        ("get pods -o jsonpath={.items[", "error: error parsing jsonpath"),
        ("get pods --field-selector spec.bogus=1", "field label not supported"),
        ("explain pod.spec.bogus", 'error: field "bogus" does not exist'),
        ("auth whoami --token bogus", "error: You must be logged in"),
        ("wait node/node-1 --for=condition=Nope --timeout=1s", "error: timed out waiting"),
        ("apply -f /nosuch.yaml", "error: the path"),
        ("get pods --context nosuch", "error: context"),
        ("bogus", "error: unknown command"),
    ],
)
def test_refusals(pilot: Pilot, words: str, says: str) -> None:
    assert says in pilot.fails(*words.split())


def test_an_unknown_unit(pilot: Pilot) -> None:
    assert "error: Unit nosuch could not be found" in pilot.fails("units", "status", "nosuch", code=4)
