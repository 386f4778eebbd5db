"""What is done next for a pod, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from nodeagent.pods import plan as plans
from nodeagent.pods.memory import Hold, Memory, Waiting
from nodeagent.pods.plan import Plan
from nodeagent.runtime.model import NOTHING, Observed, Sandbox, State
from tests.unit.nodeagent.builders import NOW, container, observed, pod, seen

EXITED, RUNNING = State.EXITED, State.RUNNING
SIDECAR = container("side", restartPolicy="Always")
INIT = container("init")
PROBE = {"exec": {"command": ["true"]}}
DEAD_SANDBOX = Sandbox("s0", 2, False, 1, ())


def steps(plan: Plan) -> dict[str, Any]:
    """The plan without what is empty."""
    found: dict[str, Any] = {
        "sandbox": plan.new_sandbox,
        "start": [(each.name, each.kind, each.attempt) for each in plan.start],
        "kill": [each.container.name for each in plan.kill],
        "waiting": {name: waiting.reason for name, waiting in plan.waiting.items()},
        "finished": plan.finished,
    }
    return {key: value for key, value in found.items() if value or (key == "sandbox" and value == 0)}


CASES = {
    "nothing yet": (pod(), NOTHING, {"sandbox": 0}),
    "a sandbox that died is replaced": (pod(), observed(sandboxes=(DEAD_SANDBOX,)), {"sandbox": 3}),
    "a sandbox without address is replaced": (pod(), observed(sandboxes=(Sandbox("s1"),)), {"sandbox": 1}),
    "no address is needed in the node's network": (
        pod(hostNetwork=True),
        observed(sandboxes=(Sandbox("s1"),)),
        {"start": [("app", "app", 0)]},
    ),
    "all regular containers at once": (
        pod(container("a"), container("b")),
        observed(),
        {"start": [("a", "app", 0), ("b", "app", 0)]},
    ),
    "one is missing": (pod(container("a"), container("b")), observed(seen("a")), {"start": [("b", "app", 0)]}),
    "all is well": (pod(), observed(seen()), {}),
    "init first": (pod(init=(INIT,)), observed(), {"start": [("init", "init", 0)]}),
    "init is awaited": (pod(init=(INIT,)), observed(seen("init")), {}),
    "init done": (pod(init=(INIT,)), observed(seen("init", EXITED)), {"start": [("app", "app", 0)]}),
    "second init": (
        pod(init=(INIT, container("next"))),
        observed(seen("init", EXITED)),
        {"start": [("next", "init", 0)]},
    ),
    "init failed": (pod(init=(INIT,)), observed(seen("init", EXITED, code=1)), {"start": [("init", "init", 1)]}),
    "init failed for good": (
        pod(init=(INIT,), restartPolicy="Never"),
        observed(seen("init", EXITED, code=1)),
        {"finished": True},
    ),
    "init runs again in a new sandbox": (
        pod(init=(INIT,)),
        observed(seen("init", EXITED, sandbox="s0"), seen("app", EXITED, sandbox="s0")),
        {"start": [("init", "init", 0)]},
    ),
    "a sidecar only has to start": (
        pod(init=(SIDECAR, INIT)),
        observed(seen("side")),
        {"start": [("init", "init", 0)]},
    ),
    "a sidecar starts before what follows": (
        pod(init=(SIDECAR, INIT)),
        observed(),
        {"start": [("side", "sidecar", 0)]},
    ),
    "a sidecar with a startup probe is awaited": (
        pod(init=({**SIDECAR, "startupProbe": PROBE}, INIT)),
        observed(seen("side")),
        {},
    ),
    "a sidecar that ended is started beside the others": (
        pod(init=(SIDECAR,)),
        observed(seen("side", EXITED), seen()),
        {"start": [("side", "sidecar", 1)]},
    ),
    "always restarts success": (pod(), observed(seen(state=EXITED)), {"start": [("app", "app", 1)]}),
    "on failure restarts failure": (
        pod(restartPolicy="OnFailure"),
        observed(seen(state=EXITED, code=1)),
        {"start": [("app", "app", 1)]},
    ),
    "on failure is content with success": (
        pod(restartPolicy="OnFailure"),
        observed(seen(state=EXITED)),
        {"finished": True},
    ),
    "never": (pod(restartPolicy="Never"), observed(seen(state=EXITED, code=1)), {"finished": True}),
    "never, while another runs": (
        pod(container("a"), container("b"), restartPolicy="Never"),
        observed(seen("a", EXITED, code=1), seen("b")),
        {},
    ),
    "never does not get a second sandbox": (
        pod(restartPolicy="Never"),
        observed(seen(state=EXITED, sandbox="s0"), sandboxes=(DEAD_SANDBOX,)),
        {"finished": True},
    ),
    "a container's own policy wins": (
        pod(container(restartPolicy="Never"), restartPolicy="Always"),
        observed(seen(state=EXITED)),
        {"finished": True},
    ),
    "a container's own rule wins": (
        pod(
            container(
                restartPolicy="Never",
                restartPolicyRules=[{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}],
            )
        ),
        observed(seen(state=EXITED, code=42)),
        {"start": [("app", "app", 1)]},
    ),
    "another image": (pod({**container(), "image": "nginx:2"}), observed(seen()), {"kill": ["app"]}),
    "an ephemeral container": (
        pod(ephemeralContainers=[container("debug")]),
        observed(seen()),
        {"start": [("debug", "ephemeral", 0)]},
    ),
    "an ephemeral container is never restarted": (
        pod(ephemeralContainers=[container("debug")]),
        observed(seen(), seen("debug", EXITED)),
        {},
    ),
}


@pytest.mark.parametrize(("obj", "found", "expected"), CASES.values(), ids=CASES.keys())
def test_next_step(obj: dict[str, Any], found: Observed, expected: dict[str, Any]) -> None:
    assert steps(plans.make(obj, found, Memory(), NOW)) == expected


def test_restarts_wait_longer_each_time() -> None:
    memory, obj = Memory(), pod()
    plan = plans.make(obj, observed(seen(state=EXITED, ago=1)), memory, NOW)
    assert steps(plan) == {"start": [("app", "app", 1)]}
    from nodeagent.pods.backoff import Backoff

    memory.restarts["app"] = Backoff(10, NOW - 5)
    plan = plans.make(obj, observed(seen(state=EXITED, ago=4, attempt=1)), memory, NOW)
    assert plan.waiting["app"] == Waiting(
        "CrashLoopBackOff", "back-off 10s restarting failed container=app pod=web_ns(u1)"
    )
    assert plan.wake_after == pytest.approx(6)
    assert not plan.start


def test_what_could_not_be_started_is_held() -> None:
    waiting = Waiting("ImagePullBackOff", "Back-off pulling")
    memory = Memory(held={"app": Hold(waiting, NOW + 7)})
    plan = plans.make(pod(), observed(), memory, NOW)
    assert plan.waiting == {"app": waiting}
    assert plan.wake_after == pytest.approx(7)
    assert steps(plans.make(pod(), observed(), memory, NOW + 8)) == {"start": [("app", "app", 0)]}


def test_an_unhealthy_container_is_killed() -> None:
    memory = Memory(unhealthy={"app-0": "Container app failed liveness probe, will be restarted"})
    assert steps(plans.make(pod(), observed(seen()), memory, NOW)) == {"kill": ["app"]}


def test_a_pod_at_its_end_stays_there() -> None:
    assert steps(plans.make(pod(), NOTHING, Memory(phase="Failed"), NOW)) == {"finished": True}


@pytest.mark.parametrize(
    ("status", "attempt"),
    [
        ({}, 0),
        ({"containerStatuses": [{"name": "app", "restartCount": 0, "state": {"waiting": {}}}]}, 0),
        ({"containerStatuses": [{"name": "app", "restartCount": 4, "containerID": "fake://x"}]}, 5),
        ({"containerStatuses": [{"name": "app", "restartCount": 4, "lastState": {"terminated": {}}}]}, 5),
    ],
    ids=["new", "never ran", "the runtime forgot it", "and the agent too"],
)
def test_restart_count_survives_the_runtime(status: dict[str, Any], attempt: int) -> None:
    assert plans.next_attempt(pod(status=status), "app", None) == attempt


def test_started_waits_for_hook_and_probe() -> None:
    spec = container(startupProbe=PROBE, readinessProbe=PROBE)
    memory = Memory()
    assert not plans.started(spec, seen(), memory)
    memory.started.add("app-0")
    assert plans.started(spec, seen(), memory)
    assert not plans.ready(spec, seen(), memory)
    memory.ready.add("app-0")
    assert plans.ready(spec, seen(), memory)
    memory.hooking.add("app-0")
    assert not plans.ready(spec, seen(), memory)
