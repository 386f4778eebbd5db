"""What events about a pod point at."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.controller.recorder import Events, Happened, Recorder
from nodeagent.pods.events import PodEvents
from tests.unit.nodeagent.builders import container, pod


class Kept(Events):
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.happened: list[Happened] = []

    def publish(self, happened: Happened) -> None:
        self.happened.append(happened)


@pytest.mark.parametrize(
    ("about", "field"),
    [
        (None, None),
        (container("app"), "spec.containers{app}"),
        (container("first"), "spec.initContainers{first}"),
    ],
    ids=["pod", "container", "init container"],
)
def test_an_event_names_the_pod_and_the_container(about: dict[str, Any] | None, field: str | None) -> None:
    kept = Kept()
    events = PodEvents(Recorder(kept, "kubelet", "n1"), pod(container("app"), init=(container("first"),)))
    events.warning("Why", "because", container=about)
    (happened,) = kept.happened
    assert (happened.type, happened.reason, happened.host) == ("Warning", "Why", "n1")
    names = {key: happened.about[key] for key in ("kind", "namespace", "name", "uid")}
    assert names == {"kind": "Pod", "namespace": "ns", "name": "web", "uid": "u1"}
    assert happened.about.get("fieldPath") == field
