"""What the API is told of a pod."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nodeagent.pods import status as statuses
from nodeagent.pods.memory import Memory, Waiting
from nodeagent.pods.patch import status_patch
from nodeagent.pods.status import NodeFacts, View
from nodeagent.runtime.model import NOTHING, Observed, State
from tests.unit.nodeagent.builders import NOW, container, observed, pod, seen

NODE = NodeFacts("fake", ("172.18.0.2",))
WHEN = datetime.fromtimestamp(NOW, UTC)
EXITED = State.EXITED


def make(
    obj: dict[str, Any], found: Observed = NOTHING, memory: Memory | None = None, **waiting: Waiting
) -> dict[str, Any]:
    return statuses.make(obj, View(found, memory or Memory(), waiting), NODE, WHEN)


def conditions(status: dict[str, Any]) -> dict[str, Any]:
    return {each["type"]: each["status"] for each in status["conditions"]}


def test_a_pod_that_waits() -> None:
    status = make(pod())
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert status["hostIP"] == "172.18.0.2"
    assert "podIP" not in status
    assert conditions(status) == {
        "PodReadyToStartContainers": "False",
        "Initialized": "True",
        "Ready": "False",
        "ContainersReady": "False",
        "PodScheduled": "True",
    }
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert (ready["reason"], ready["message"]) == (
        "ContainersNotReady",
        "containers with unready status: [app]",
    )


def test_a_pod_that_runs() -> None:
    status = make(pod(), observed(seen()))
    assert status["phase"] == "Running"
    assert set(conditions(status).values()) == {"True"}
    assert (status["podIP"], status["podIPs"]) == ("10.0.0.5", [{"ip": "10.0.0.5"}])
    [only] = status["containerStatuses"]
    assert only["containerID"] == "fake://app-0"
    assert (only["ready"], only["started"], only["restartCount"]) == (True, True, 0)
    assert only["state"]["running"]["startedAt"].endswith("Z")
    assert status["observedGeneration"] == 1


def test_nothing_in_a_status_is_null() -> None:
    def nulls(value: Any) -> bool:
        if isinstance(value, dict):
            return any(nulls(each) for each in value.values())
        return any(nulls(each) for each in value) if isinstance(value, list) else value is None

    lost = {"containerStatuses": [{"name": "app", "containerID": "fake://gone", "restartCount": 1}]}
    for status in (make(pod()), make(pod(), observed(seen(state=EXITED))), make(pod(status=lost))):
        assert not nulls(status)


PHASES = {
    "init runs": (pod(init=(container("init"),)), observed(seen("init")), "Pending"),
    "init failed, tried again": (pod(init=(container("init"),)), observed(seen("init", EXITED, code=1)), "Pending"),
    "init failed for good": (
        pod(init=(container("init"),), restartPolicy="Never"),
        observed(seen("init", EXITED, code=1)),
        "Failed",
    ),
    "one of two runs": (pod(container("a"), container("b")), observed(seen("a")), "Pending"),
    "one of two ended": (
        pod(container("a"), container("b"), restartPolicy="Never"),
        observed(seen("a", EXITED), seen("b")),
        "Running",
    ),
    "all succeeded": (pod(restartPolicy="Never"), observed(seen(state=EXITED)), "Succeeded"),
    "one failed": (
        pod(container("a"), container("b"), restartPolicy="Never"),
        observed(seen("a", EXITED, code=1), seen("b", EXITED)),
        "Failed",
    ),
    "failed, tried again": (pod(restartPolicy="OnFailure"), observed(seen(state=EXITED, code=1)), "Running"),
    "always": (pod(), observed(seen(state=EXITED)), "Running"),
    "a sidecar that starts again beside what ran": (
        pod(init=(container("side", restartPolicy="Always", startupProbe={"exec": {}}),)),
        observed(seen("side"), seen(state=EXITED)),
        "Running",
    ),
}


@pytest.mark.parametrize(("obj", "found", "phase"), PHASES.values(), ids=PHASES.keys())
def test_phase(obj: dict[str, Any], found: Observed, phase: str) -> None:
    assert make(obj, found)["phase"] == phase


def test_a_crash_loop() -> None:
    waiting = Waiting("CrashLoopBackOff", "back-off 10s restarting failed container=app pod=web_ns(u1)")
    status = make(
        pod(), observed(seen(state=EXITED, code=3, attempt=2), seen(state=EXITED, code=4, attempt=1)), app=waiting
    )
    [only] = status["containerStatuses"]
    assert only["state"] == {"waiting": {"reason": waiting.reason, "message": waiting.message}}
    assert only["lastState"]["terminated"]["exitCode"] == 3
    assert (only["restartCount"], only["ready"], only["started"]) == (2, False, False)
    assert status["phase"] == "Running"


def test_the_last_state_is_the_run_before() -> None:
    status = make(pod(), observed(seen(attempt=1), seen(state=EXITED, code=9)))
    [only] = status["containerStatuses"]
    assert "running" in only["state"]
    assert only["lastState"]["terminated"]["exitCode"] == 9
    assert only["lastState"]["terminated"]["containerID"] == "fake://app-0"


def test_a_container_that_the_runtime_forgot() -> None:
    lost = {"containerStatuses": [{"name": "app", "containerID": "fake://gone", "restartCount": 1}]}
    [only] = make(pod(status=lost))["containerStatuses"]
    assert only["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert only["restartCount"] == 1
    memory = Memory(phase="Failed")
    [only] = make(pod(status=lost), memory=memory)["containerStatuses"]
    assert only["state"]["terminated"]["exitCode"] == 137


def test_completed() -> None:
    status = make(pod(restartPolicy="Never"), observed(seen(state=EXITED)), Memory(phase="Succeeded"))
    ready = {each["type"]: each.get("reason") for each in status["conditions"]}
    assert ready["Ready"] == ready["ContainersReady"] == ready["Initialized"] == "PodCompleted"


def test_readiness_gates() -> None:
    obj = pod(readinessGates=[{"conditionType": "example.com/lb"}])
    status = make(obj, observed(seen()))
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert ready["reason"] == "ReadinessGatesNotReady"
    assert ready["message"] == 'corresponding condition of pod readiness gate "example.com/lb" does not exist.'
    obj["status"] = {"conditions": [{"type": "example.com/lb", "status": "True"}]}
    assert conditions(make(obj, observed(seen())))["Ready"] == "True"


def test_transition_times_move_only_with_the_status() -> None:
    before = make(pod(), observed(seen()))
    later = statuses.make(
        pod(status=before), View(observed(seen()), Memory()), NODE, datetime.fromtimestamp(NOW + 60, UTC)
    )
    assert later == before


def test_the_node_shows_in_a_pod_of_its_network() -> None:
    status = make(pod(hostNetwork=True), observed(seen()))
    assert status["podIP"] == status["hostIP"] == "172.18.0.2"


def test_only_what_changed_is_patched() -> None:
    before = make(pod())
    after = make(pod(status=before), observed(seen()))
    assert status_patch("u1", after, after) is None
    patch = status_patch("u1", before, after)
    assert patch is not None
    assert patch["metadata"] == {"uid": "u1"}
    assert set(patch["status"]) == {"phase", "conditions", "containerStatuses", "podIP", "podIPs"}
    assert {each["type"] for each in patch["status"]["conditions"]} == {
        "PodReadyToStartContainers",
        "Ready",
        "ContainersReady",
    }


def test_addresses_are_replaced_not_merged() -> None:
    patch = status_patch("u1", {"podIPs": [{"ip": "10.0.0.1"}]}, {"podIPs": [{"ip": "10.0.0.2"}]})
    assert patch is not None
    assert patch["status"]["podIPs"] == [{"$patch": "replace"}, {"ip": "10.0.0.2"}]
