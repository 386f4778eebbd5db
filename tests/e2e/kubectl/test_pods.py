"""One pod's commands: logs, wait, debug, and those that need a connection into it."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from tests.support.kubectl import Kubectl


@pytest_asyncio.fixture
async def pod(kubectl: Kubectl) -> str:
    await kubectl("run", "p", "--image=busybox", "--", "sh", "-c", "echo hello; sleep 3600")
    await kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    return "p"


async def test_logs(kubectl: Kubectl, pod: str, web: str) -> None:
    for command in (
        ("logs", pod),
        ("logs", pod, "-c", "p", "--timestamps", "--tail=5"),
        ("logs", pod, "--since=1h", "--limit-bytes=100"),
        ("logs", "deploy/web"),
        ("logs", "-l", "app=web", "--prefix", "--all-containers"),
    ):
        assert await kubectl(*command) or "web" in str(command)
    assert await kubectl("logs", pod) == "hello\n"
    async with kubectl.streaming("logs", pod, "--follow", "--timestamps") as line:
        assert (await line()).endswith("Z hello")
    assert "using pod/web-" in (await kubectl.run("logs", "deploy/web")).err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("logs nope", 'error: error from server (NotFound): pods "nope" not found in namespace'),
        ("logs p -c nope", "error: container nope is not valid for pod p"),
        ("logs p --previous",
         'Error from server (BadRequest): previous terminated container "p" in pod "p" not found'),
        ("logs p --tail=-2 --since=-1s", "error: --since must be greater than 0"),
        ("exec p -- ls", "Error from server (NotImplemented): pods/exec is not served over REST"),
        ("exec nope -- ls", 'Error from server (NotFound): pods "nope" not found'),
        ("attach p", "Error from server (NotImplemented): pods/attach is not served over REST"),
        ("cp p:/etc/passwd passwd", "Error from server (NotImplemented): pods/exec is not served over REST"),
        ("port-forward p 0:80", "error: error upgrading connection: pods/portforward is not served over REST"),
    ],
)  # fmt: skip
async def test_what_cannot_be_had_says_so(kubectl: Kubectl, pod: str, command: str, said: str) -> None:
    assert said in await kubectl.fails(*command.split())


async def test_wait(kubectl: Kubectl, pod: str) -> None:
    assert await kubectl("wait", "pod/p", "--for=jsonpath={.status.phase}=Running") == "pod/p condition met\n"
    said = await kubectl.fails("wait", "pod/p", "--for=condition=Never", "--timeout=1s")
    assert said.splitlines()[-1] == "error: timed out waiting for the condition on pods/p"
    assert await kubectl("wait", "pod/nope", "--for=delete") == ""
    said = await kubectl.fails("wait", "pod/nope", "--for=condition=Ready")
    assert said == 'Error from server (NotFound): pods "nope" not found'
    await kubectl("delete", "pod", "p", "--wait=false")
    await kubectl("wait", "pod/p", "--for=delete", "--timeout=60s")
    await kubectl("create", "job", "j", "--image=busybox", "--", "true")
    assert "condition met" in await kubectl("wait", "job/j", "--for=condition=Complete", "--timeout=30s")


async def test_debug_adds_an_ephemeral_container(kubectl: Kubectl, pod: str) -> None:
    await kubectl(
        "debug", pod, "--image=busybox", "--container=look", "--target=p", "--profile=general", "--attach=false"
    )
    obj: Any = await kubectl.json("get", "pod", pod)
    (container,) = obj["spec"]["ephemeralContainers"]
    assert (container["name"], container["image"], container["targetContainerName"]) == ("look", "busybox", "p")
    await kubectl(
        "wait", "pod/p", "--for=jsonpath={.status.ephemeralContainerStatuses[0].state.running}", "--timeout=30s"
    )
    said = await kubectl.fails("patch", "pod", pod, "-p", '{"spec":{"ephemeralContainers":null}}')
    assert "pod updates may not change fields other than" in said


async def test_debug_of_a_copy_and_of_a_node(kubectl: Kubectl, pod: str) -> None:
    await kubectl("debug", pod, "--copy-to=q", "--set-image=p=debian", "--profile=general", "--attach=false")
    assert await kubectl("get", "pod", "q", "-o", "jsonpath={.spec.containers[0].image}") == "debian"
    out = await kubectl("debug", "node/node-1", "--image=busybox", "--profile=general", "--attach=false")
    assert "Creating debugging pod node-debugger-node-1-" in out
    listed = await kubectl("get", "pods", "--field-selector", "spec.nodeName=node-1", "-o", "name")
    assert "pod/node-debugger-node-1-" in listed
