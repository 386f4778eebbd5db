"""Descriptions name what people look for, aligned as kubectl aligns them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cli.describe.kinds import DESCRIBERS, generic
from cli.describe.pods import toleration
from cli.describe.text import Text

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_values_of_one_block_align_and_nested_blocks_have_their_own_alignment() -> None:
    text = Text()
    text.field("Name", "web")
    text.head("Containers")
    text.head("app", level=1)
    text.field("Image", "nginx", level=2)
    text.field("Restart Count", 0, level=2)
    text.pairs("Labels", {"b": "2", "a": "1"})
    assert text.render().splitlines() == [
        "Name:    web",
        "Containers:",
        "  app:",
        "    Image:          nginx",
        "    Restart Count:  0",
        "Labels:  a=1",
        "         b=2",
    ]


def test_pod() -> None:
    pod: dict[str, Any] = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "nodeName": "n1",
            "containers": [{"name": "app", "image": "nginx", "env": [{"name": "A", "value": "1"}]}],
            "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        },
        "status": {
            "phase": "Running",
            "hostIP": "10.0.0.1",
            "containerStatuses": [
                {"name": "app", "ready": True, "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
            ],
        },
    }
    text = Text()
    DESCRIBERS[("", "Pod")](text, pod, NOW)
    lines = [" ".join(line.split()) for line in text.render().splitlines()]
    for expected in (
        "Node: n1/10.0.0.1",
        "Status: Running",
        "Reason: CrashLoopBackOff",
        "Restart Count: 2",
        "A: 1",
        "Tolerations: k:NoExecute op=Exists for 300s",
    ):
        assert expected in lines


def test_toleration_of_everything() -> None:
    assert toleration({"operator": "Exists"}) == "op=Exists"


def test_generic_spells_field_names() -> None:
    text = Text()
    obj = {
        "apiVersion": "example.com/v1",
        "kind": "Ship",
        "metadata": {"name": "a", "uid": "u"},
        "spec": {"maxSpeed": 3, "crewNames": ["x"], "labels": {"example.com/aB": "1"}},
    }
    generic(text, obj, NOW)
    rendered = text.render()
    assert "Max Speed:" in rendered
    assert "Crew Names:" in rendered
    assert "example.com/aB:" in rendered
