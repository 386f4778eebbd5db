"""What `run`, `expose` and `set image` make of words and objects."""

from __future__ import annotations

from typing import Any

import pytest

from cli.commands.run import COMMANDS
from cli.commands.set import _changed
from cli.errors import CliError
from cli.flags import Parsed, parse
from cli.generators import exposing

LABELS = {"app": "web"}
PORTS = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
DEPLOYMENT: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"tier": "front"}},
    "spec": {
        "selector": {"matchLabels": LABELS},
        "template": {"spec": {"containers": [{"name": "a", "ports": PORTS}, {"name": "b"}]}},
    },
}


def flags(command: str, words: str) -> Parsed:
    return parse(words.split(), COMMANDS[command].flags)


def test_a_pod_from_an_image() -> None:
    made = exposing.pod("p", flags("run", "--image=i --env=A=b=c --port=80 --labels=x=y --restart=Never -- one two"))
    assert made == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "labels": {"x": "y"}},
        "spec": {
            "containers": [
                {
                    "name": "p",
                    "image": "i",
                    "args": ["one", "two"],
                    "env": [{"name": "A", "value": "b=c"}],
                    "ports": [{"containerPort": 80}],
                }
            ],
            "restartPolicy": "Never",
        },
    }
    plain = exposing.pod("p", flags("run", "--image=i --command -- one"))
    assert plain["metadata"]["labels"] == {"run": "p"}
    assert plain["spec"]["containers"][0]["command"] == ["one"]


def test_a_service_takes_ports_selector_and_labels_of_what_it_exposes() -> None:
    assert exposing.service(DEPLOYMENT, flags("expose", "")) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "labels": {"tier": "front"}},
        "spec": {
            "selector": LABELS,
            "ports": [
                {"name": "port-1", "port": 80, "protocol": "TCP", "targetPort": 80},
                {"name": "port-2", "port": 53, "protocol": "UDP", "targetPort": 53},
            ],
        },
    }


def test_and_flags_go_before() -> None:
    words = "--port=8 --target-port=http --name=n --type=NodePort --selector=a=b,c=d --external-ip=1.2.3.4"
    made = exposing.service(DEPLOYMENT, flags("expose", words))
    assert made["metadata"]["name"] == "n"
    assert made["spec"] == {
        "type": "NodePort",
        "selector": {"a": "b", "c": "d"},
        "ports": [{"port": 8, "protocol": "TCP", "targetPort": "http"}],
        "externalIPs": ["1.2.3.4"],
    }


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        ({"kind": "Node", "metadata": {"name": "n"}}, "cannot expose a Node"),
        ({"kind": "Pod", "metadata": {"name": "p"}}, "the pod has no labels and cannot be exposed"),
        (
            {"kind": "Pod", "metadata": {"name": "p", "labels": LABELS}, "spec": {"containers": [{"name": "c"}]}},
            "couldn't find port via --port flag or introspection",
        ),
        (
            {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"selector": {"matchExpressions": [{}]}}},
            "couldn't convert expressions",
        ),
    ],
)
def test_what_cannot_be_exposed(obj: dict[str, Any], said: str) -> None:
    with pytest.raises(CliError) as caught:
        exposing.service(obj, flags("expose", ""))
    assert said in caught.value.message


SPEC = {"initContainers": [{"name": "i", "image": "x"}], "containers": [{"name": "a", "image": "x"}, {"name": "b"}]}


@pytest.mark.parametrize(
    ("images", "changed"),
    [
        ({"a": "y"}, {"containers": [{"name": "a", "image": "y"}]}),
        ({"a": "x"}, {}),
        (
            {"*": "x", "i": "z"},
            {"initContainers": [{"name": "i", "image": "z"}], "containers": [{"name": "b", "image": "x"}]},
        ),
    ],
)
def test_images_are_set_where_they_differ(images: dict[str, str], changed: dict[str, Any]) -> None:
    assert _changed(SPEC, images) == changed


def test_a_container_that_is_not_there() -> None:
    with pytest.raises(CliError, match='unable to find container named "nope"'):
        _changed(SPEC, {"nope": "x"})
