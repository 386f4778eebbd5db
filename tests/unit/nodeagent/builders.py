"""Pods and observations for tests of the pure parts."""

from __future__ import annotations

from typing import Any

from nodeagent.pods.plan import spec_hash
from nodeagent.runtime.model import Container, Observed, Sandbox, State

NOW = 1_800_000_000.0
"""Seconds since the epoch."""
IMAGE = "nginx:1.25"


def container(name: str = "app", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, **fields}


def pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = (), **spec: Any) -> dict[str, Any]:
    status = spec.pop("status", {})
    metadata = {"name": "web", "namespace": "ns", "uid": "u1", "generation": 1, **spec.pop("metadata", {})}
    every: dict[str, Any] = {"nodeName": "n1", "containers": list(containers or [container()]), **spec}
    if init:
        every["initContainers"] = list(init)
    return {"metadata": metadata, "spec": every, "status": status}


SANDBOX = Sandbox("s1", 0, True, 1, ("10.0.0.5",))


def seen(
    name: str = "app",
    state: State = State.RUNNING,
    *,
    code: int = 0,
    ago: float = 1.0,
    attempt: int = 0,
    sandbox: str = "s1",
) -> Container:
    """A container as the runtime shows it; an ended one ended `ago` seconds before NOW."""
    ended = int((NOW - ago) * 1e9) if state is State.EXITED else 0
    return Container(
        id=f"{name}-{attempt}",
        name=name,
        sandbox_id=sandbox,
        attempt=attempt,
        state=state,
        created_at=attempt + 1,
        started_at=int((NOW - 100) * 1e9),
        finished_at=ended,
        exit_code=code,
        reason=("Error" if code else "Completed") if state is State.EXITED else "",
        image=IMAGE,
        image_id="repo@sha256:1",
        hash=spec_hash({"image": IMAGE}),
    )


def observed(*containers: Container, sandboxes: tuple[Sandbox, ...] = (SANDBOX,)) -> Observed:
    return Observed(sandboxes, tuple(sorted(containers, key=lambda each: -each.created_at)))
