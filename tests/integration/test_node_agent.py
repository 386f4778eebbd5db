"""Pods on fake nodes against a real API server, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from actors import System, VirtualClock
from machinery.client.api import Client, DeleteOptions, PatchType
from machinery.client.resources import CONFIG_MAPS, EVENTS, LEASES, NODES, PODS, SERVICE_ACCOUNTS
from machinery.errors import BadRequest, NotFound
from machinery.objects import conditions
from nodeagent.app import NodeAgent
from nodeagent.config import Config
from nodeagent.pods.logrotate import LogRotation
from nodeagent.runtime.fake import Facts, FakeRuntime, Stage
from pilothouse.cluster import Cluster

NAMESPACE = "default"
PREFIX = "fake.pilothouse.dev/"


@dataclass
class Bench:
    """A cluster with one fake node, and shorthands."""

    cluster: Cluster
    client: Client
    agent: NodeAgent
    system: System
    clock: VirtualClock
    writes: list[str] = field(default_factory=list)

    @property
    def fake(self) -> FakeRuntime:
        return self.agent.fakes["n1"]

    async def create(self, name: str = "web", *, fake: dict[str, str] | None = None, **spec: Any) -> None:
        wanted = {
            "metadata": {"name": name, "annotations": {PREFIX + key: text for key, text in (fake or {}).items()}},
            "spec": {
                "nodeName": "n1",
                "automountServiceAccountToken": False,
                "containers": [{"name": "app", "image": "nginx:1.25"}],
                **spec,
            },
        }
        await self.client.create(PODS, wanted, namespace=NAMESPACE)
        await self.clock.settle()

    async def pod(self, name: str = "web") -> dict[str, Any]:
        await self.clock.settle()
        return await self.client.get(PODS, name, namespace=NAMESPACE)

    async def status(self, name: str = "web") -> dict[str, Any]:
        found: dict[str, Any] = (await self.pod(name))["status"]
        return found

    async def container(self, name: str = "web") -> dict[str, Any]:
        [only] = (await self.status(name))["containerStatuses"]
        found: dict[str, Any] = only
        return found

    async def waiting(self, name: str = "web") -> tuple[str, str]:
        state = (await self.container(name))["state"]["waiting"]
        return state["reason"], state.get("message", "")

    async def gone(self, name: str = "web") -> bool:
        await self.clock.settle()
        try:
            await self.client.get(PODS, name, namespace=NAMESPACE)
        except NotFound:
            return True
        return False

    async def events(self, name: str = "web") -> list[tuple[str, str]]:
        await self.clock.settle()
        page = await self.client.list(EVENTS, namespace=NAMESPACE)
        return [(each["reason"], each["message"]) for each in page.items if each["involvedObject"]["name"] == name]

    async def logs(self, name: str = "web", **options: Any) -> str:
        return b"".join([piece async for piece in self.client.logs(NAMESPACE, name, options)]).decode()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = VirtualClock()
    async with Cluster(clock=clock, agents=False, scheduler=False, controllers=("nodelifecycle",)) as cluster:
        client = cluster.client()
        await client.create(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}}, namespace=NAMESPACE)
        identity: dict[str, Any] = {"user": "system:node:n1", "groups": ("system:nodes",)}
        agent = NodeAgent(
            Config(nodes=("n1",), node_ips=("172.18.0.9",)),
            clock=clock,
            client=cluster.client(**identity),
            tunnel_channel=cluster.channel(**identity),
        )
        async with System(agent.spec(), clock=clock, name="agent") as system:
            await clock.settle()
            yield Bench(cluster, client, agent, system, clock)


async def test_a_node_registers_and_keeps_its_lease(bench: Bench) -> None:
    await bench.agent.ready()
    node = await bench.client.get(NODES, "n1")
    assert conditions.is_true(node, "Ready")
    first = (await bench.client.get(LEASES, "n1", namespace="kube-node-lease"))["spec"]
    await bench.clock.advance(minutes=3)
    lease = (await bench.client.get(LEASES, "n1", namespace="kube-node-lease"))["spec"]
    assert lease["renewTime"] > first["renewTime"]
    assert conditions.is_true(await bench.client.get(NODES, "n1"), "Ready")


async def test_pods_have_addresses_of_the_range_that_their_node_was_given(bench: Bench) -> None:
    await bench.client.patch(NODES, "n1", {"spec": {"podCIDR": "10.20.30.0/24"}}, PatchType.MERGE)
    await bench.clock.settle()
    await bench.create()
    assert (await bench.status())["podIP"].startswith("10.20.30.")


async def test_a_status_that_does_not_change_is_written_every_five_minutes(bench: Bench) -> None:
    for pods in range(2):
        if pods:
            await bench.create()  # now the node holds an image
        await bench.clock.advance(minutes=1)
        before = await bench.client.get(NODES, "n1")
        assert len(before["status"].get("images") or ()) == pods
        await bench.clock.advance(minutes=3)
        assert await bench.client.get(NODES, "n1") == before
        await bench.clock.advance(minutes=2)
        after = await bench.client.get(NODES, "n1")
        beats = [conditions.get(each, "Ready") for each in (before, after)]
        assert beats[0]["lastHeartbeatTime"] < beats[1]["lastHeartbeatTime"]  # type: ignore[index]


async def test_a_node_that_was_deleted_registers_again(bench: Bench) -> None:
    await bench.client.delete(NODES, "n1")
    await bench.clock.advance(seconds=15)
    assert conditions.is_true(await bench.client.get(NODES, "n1"), "Ready")


async def test_from_created_to_ready_takes_one_write(bench: Bench) -> None:
    await bench.create()
    pod = await bench.pod()
    assert pod["status"]["phase"] == "Running"
    assert conditions.is_true(pod, "Ready")
    assert pod["metadata"]["generation"] == 1
    history = [event for event in (await bench.events()) if event[0] != "Pulled"]
    assert history == [
        ("Pulling", 'Pulling image "nginx:1.25"'),
        ("Created", "Container created"),
        ("Started", "Container started"),
    ]
    version = pod["metadata"]["resourceVersion"]
    await bench.clock.advance(hours=1)
    assert (await bench.pod())["metadata"]["resourceVersion"] == version


async def test_a_slow_pull_shows_before_it_ends(bench: Bench) -> None:
    await bench.create(fake={"pull-delay": "30s"})
    await bench.clock.advance(seconds=2)
    assert await bench.waiting() == ("ContainerCreating", "")
    await bench.clock.advance(seconds=30)
    assert (await bench.status())["phase"] == "Running"


async def test_an_image_that_cannot_be_pulled(bench: Bench) -> None:
    await bench.create(fake={"pull-error": "not found"})
    reason, message = await bench.waiting()
    assert reason == "ErrImagePull"
    assert message.startswith("rpc error: code = NotFound desc = failed to pull and unpack image")
    await bench.clock.advance(seconds=4)
    reason, message = await bench.waiting()
    assert reason == "ImagePullBackOff"
    assert message.startswith('Back-off pulling image "nginx:1.25": ErrImagePull: rpc error')
    assert (await bench.status())["phase"] == "Pending"
    bench.fake.script.behaviours.append(lambda facts: None)
    said = [message for reason, message in await bench.events() if reason == "Failed"]
    assert "Error: ErrImagePull" in said


async def test_never_pulled(bench: Bench) -> None:
    container = {"name": "app", "image": "nginx:1.25", "imagePullPolicy": "Never"}
    await bench.create(containers=[container])
    assert (await bench.waiting())[0] == "ErrImageNeverPull"


async def test_crashes_wait_longer_each_time(bench: Bench) -> None:
    await bench.create(fake={"run-for": "1s", "exit-code": "3", "message": "no luck"})
    await bench.clock.advance(seconds=2)
    found = await bench.container()
    assert found["restartCount"] == 1
    assert found["lastState"]["terminated"]["exitCode"] == 3
    assert found["lastState"]["terminated"]["message"] == "no luck"
    await bench.clock.advance(seconds=1)
    reason, message = await bench.waiting()
    assert reason == "CrashLoopBackOff"
    assert message.startswith("back-off 10s restarting failed container=app pod=web_default(")
    counts = []
    for _ in range(4):
        await bench.clock.advance(minutes=2, seconds=30)
        counts.append((await bench.container())["restartCount"])
    assert counts == [4, 5, 6, 6]
    assert ("BackOff", "Back-off restarting failed container app in pod") in [
        (reason, message.rpartition(" pod ")[0] + " pod") for reason, message in await bench.events()
    ]


async def test_init_containers_run_one_after_the_other(bench: Bench) -> None:
    init = [{"name": name, "image": "busybox:1.36"} for name in ("first", "second")]
    await bench.create(fake={"run-for.first": "5s", "run-for.second": "5s"}, initContainers=init)
    status = await bench.status()
    assert status["phase"] == "Pending"
    assert "running" in status["initContainerStatuses"][0]["state"]
    assert status["initContainerStatuses"][1]["state"] == {"waiting": {"reason": "PodInitializing"}}
    await bench.clock.advance(seconds=6)
    status = await bench.status()
    assert status["initContainerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
    assert "running" in status["initContainerStatuses"][1]["state"]
    await bench.clock.advance(seconds=6)
    assert conditions.is_true(await bench.pod(), "Ready")


async def test_a_task_ends(bench: Bench) -> None:
    await bench.create(restartPolicy="Never")
    assert (await bench.status())["phase"] == "Running"
    await bench.clock.advance(seconds=2)
    status = await bench.status()
    assert status["phase"] == "Succeeded"
    assert status["podIP"]
    assert not conditions.is_true(await bench.pod(), "Ready")


async def test_a_sidecar_does_not_keep_a_task_alive(bench: Bench) -> None:
    sidecar = {"name": "side", "image": "busybox:1.36", "restartPolicy": "Always"}
    await bench.create(restartPolicy="OnFailure", initContainers=[sidecar])
    await bench.clock.advance(seconds=2)
    status = await bench.status()
    assert status["phase"] == "Succeeded"
    assert "terminated" in status["initContainerStatuses"][0]["state"]


async def test_somebody_else_declares_a_pod_failed(bench: Bench) -> None:
    await bench.create()
    patch = {"status": {"phase": "Failed", "reason": "Evicted", "message": "no room"}}
    await bench.client.patch(PODS, "web", patch, PatchType.MERGE, namespace=NAMESPACE, subresource="status")
    status = await bench.status()
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert "terminated" in status["containerStatuses"][0]["state"]


async def test_what_others_write_into_the_status_is_put_right(bench: Bench) -> None:
    await bench.create()
    unready = {"type": "Ready", "status": "False", "reason": "NodeNotReady"}
    patch = {"status": {"conditions": [unready, {"type": "example.com/mine", "status": "True"}]}}
    await bench.client.patch(PODS, "web", patch, PatchType.STRATEGIC, namespace=NAMESPACE, subresource="status")
    pod = await bench.pod()
    assert conditions.is_true(pod, "Ready")
    assert conditions.is_true(pod, "example.com/mine")


async def test_a_finalizer_keeps_the_object_but_not_the_containers(bench: Bench) -> None:
    await bench.create()
    patch = {"metadata": {"finalizers": ["example.com/wait"]}}
    await bench.client.patch(PODS, "web", patch, PatchType.MERGE, namespace=NAMESPACE)
    await bench.client.delete(PODS, "web", namespace=NAMESPACE)
    status = await bench.status()
    assert status["phase"] == "Succeeded"
    assert bench.fake.sandboxes == {}
    await bench.client.patch(PODS, "web", {"metadata": {"finalizers": []}}, PatchType.MERGE, namespace=NAMESPACE)
    assert await bench.gone()


async def test_a_deadline(bench: Bench) -> None:
    await bench.create(activeDeadlineSeconds=20)
    await bench.clock.advance(seconds=19)
    assert (await bench.status())["phase"] == "Running"
    await bench.clock.advance(seconds=2)
    status = await bench.status()
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")


async def test_deletion_gives_grace_and_ends(bench: Bench) -> None:
    await bench.create(fake={"stop-delay": "10s"})
    await bench.client.delete(PODS, "web", namespace=NAMESPACE)
    await bench.clock.advance(seconds=9)
    assert (await bench.pod())["metadata"]["deletionTimestamp"]
    await bench.clock.advance(seconds=2)
    assert await bench.gone()
    assert bench.fake.sandboxes == {}
    assert ("Killing", "Stopping container app") in await bench.events()


async def test_what_ignores_its_end_is_killed(bench: Bench) -> None:
    await bench.create(fake={"stop-delay": "never"}, terminationGracePeriodSeconds=15)
    await bench.client.delete(PODS, "web", namespace=NAMESPACE)
    await bench.clock.advance(seconds=14)
    assert not await bench.gone()
    await bench.clock.advance(seconds=2)
    assert await bench.gone()


async def test_a_pod_deleted_while_its_image_is_pulled(bench: Bench) -> None:
    await bench.create(fake={"pull-delay": "1h"})
    await bench.client.delete(PODS, "web", namespace=NAMESPACE)
    await bench.clock.advance(seconds=2)
    assert await bench.gone()
    assert bench.fake.sandboxes == {}


async def test_a_pod_that_is_forced_away(bench: Bench) -> None:
    await bench.create(fake={"stop-delay": "5s"})
    await bench.client.delete(PODS, "web", namespace=NAMESPACE, options=DeleteOptions(grace_period_seconds=0))
    assert await bench.gone()
    await bench.clock.advance(minutes=1)
    assert bench.fake.sandboxes == {}


async def test_a_missing_config_map_holds_the_pod_until_it_is_there(bench: Bench) -> None:
    await bench.create(volumes=[{"name": "v", "configMap": {"name": "conf"}}])
    await bench.clock.advance(seconds=5)
    assert await bench.waiting() == ("ContainerCreating", "")
    said = 'MountVolume.SetUp failed for volume "v" : configmap "conf" not found'
    assert ("FailedMount", said) in await bench.events()
    await bench.client.create(CONFIG_MAPS, {"metadata": {"name": "conf"}}, namespace=NAMESPACE)
    await bench.clock.advance(minutes=2)
    assert (await bench.status())["phase"] == "Running"


async def test_a_missing_key_is_a_configuration_error(bench: Bench) -> None:
    variable = {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "x"}}}
    await bench.create(containers=[{"name": "app", "image": "nginx:1.25", "env": [variable]}])
    assert await bench.waiting() == ("CreateContainerConfigError", 'configmap "conf" not found')
    await bench.client.create(CONFIG_MAPS, {"metadata": {"name": "conf"}, "data": {"x": "1"}}, namespace=NAMESPACE)
    await bench.clock.advance(seconds=30)
    assert (await bench.status())["phase"] == "Running"


async def test_readiness_follows_the_probe(bench: Bench) -> None:
    probe = {"httpGet": {"port": 80}, "periodSeconds": 5, "failureThreshold": 2}
    await bench.create(containers=[{"name": "app", "image": "nginx:1.25", "readinessProbe": probe}])
    assert conditions.is_true(await bench.pod(), "Ready")
    container = bench.fake.containers[bench.fake.find(NAMESPACE, "web", "app")]
    container.stage = Stage(probe="503")
    await bench.clock.advance(seconds=12)
    assert not conditions.is_true(await bench.pod(), "Ready")
    assert ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503") in await bench.events()
    container.stage = Stage()
    await bench.clock.advance(seconds=6)
    assert conditions.is_true(await bench.pod(), "Ready")


async def test_liveness_restarts(bench: Bench) -> None:
    probe = {"tcpSocket": {"port": 80}, "periodSeconds": 5, "failureThreshold": 2}
    bench.fake.script.behaviours.append(lambda facts: Stage(probe="refuse") if facts.attempt == 0 else None)
    await bench.create(containers=[{"name": "app", "image": "nginx:1.25", "livenessProbe": probe}])
    await bench.clock.advance(seconds=12)
    assert (await bench.container())["restartCount"] == 1
    assert "running" in (await bench.container())["state"]
    assert ("Killing", "Container app failed liveness probe, will be restarted") in await bench.events()


async def test_a_startup_probe_holds_readiness_back(bench: Bench) -> None:
    bench.fake.script.behaviours.append(lambda facts: Stage(exec_exit_code=1))
    probe = {"exec": {"command": ["up"]}, "periodSeconds": 2, "failureThreshold": 30}
    await bench.create(containers=[{"name": "app", "image": "nginx:1.25", "startupProbe": probe}])
    await bench.clock.advance(seconds=5)
    found = await bench.container()
    assert (found["started"], found["ready"]) == (False, False)
    bench.fake.containers[bench.fake.find(NAMESPACE, "web", "app")].stage = Stage()
    await bench.clock.advance(seconds=3)
    found = await bench.container()
    assert (found["started"], found["ready"]) == (True, True)


async def test_a_pre_stop_hook_takes_its_time(bench: Bench) -> None:
    lifecycle = {"preStop": {"sleep": {"seconds": 8}}}
    await bench.create(containers=[{"name": "app", "image": "nginx:1.25", "lifecycle": lifecycle}])
    await bench.client.delete(PODS, "web", namespace=NAMESPACE)
    await bench.clock.advance(seconds=7)
    assert not await bench.gone()
    await bench.clock.advance(seconds=2)
    assert await bench.gone()


async def test_a_failed_post_start_hook_restarts(bench: Bench) -> None:
    bench.fake.script.behaviours.append(lambda facts: Stage(exec_exit_code=1) if facts.attempt == 0 else None)
    lifecycle = {"postStart": {"exec": {"command": ["prepare"]}}}
    await bench.create(containers=[{"name": "app", "image": "nginx:1.25", "lifecycle": lifecycle}])
    await bench.clock.advance(seconds=1)
    found = await bench.container()
    assert found["restartCount"] == 1
    assert found["ready"]
    assert ("FailedPostStartHook", "PostStartHook failed") in await bench.events()


async def test_a_new_image_restarts_the_container(bench: Bench) -> None:
    await bench.create()
    pod = await bench.pod()
    pod["spec"]["containers"][0]["image"] = "nginx:1.26"
    await bench.client.update(PODS, pod)
    found = await bench.container()
    assert (found["restartCount"], found["image"]) == (1, "nginx:1.26")
    assert ("Killing", "Container app definition changed, will be restarted") in await bench.events()


async def test_a_sandbox_that_dies_is_replaced(bench: Bench) -> None:
    await bench.create()
    before = await bench.status()
    [sandbox] = bench.fake.sandboxes.values()
    for container in sandbox.containers:
        bench.fake.exit(container.id, 255)
    sandbox.ready = False
    await bench.clock.advance(seconds=1)
    after = await bench.status()
    assert after["podIP"] != before["podIP"]
    assert after["containerStatuses"][0]["restartCount"] == 1
    assert conditions.is_true(await bench.pod(), "Ready")


async def test_logs(bench: Bench) -> None:
    await bench.create(fake={"logs": "one\ntwo\nthree"})
    assert await bench.logs() == "one\ntwo\nthree\n"
    assert await bench.logs(tailLines=1) == "three\n"
    assert (await bench.logs(timestamps=True, limitBytes=30)).startswith("2026-01-01T00:00:00.")
    bench.fake.print(bench.fake.find(NAMESPACE, "web", "app"), "four")
    assert await bench.logs(tailLines=2) == "three\nfour\n"
    with pytest.raises(BadRequest, match='previous terminated container "app" in pod "web" not found'):
        await bench.logs(previous=True)


async def test_logs_of_the_run_before(bench: Bench) -> None:
    def say(facts: Facts) -> Stage:
        return Stage(logs=f"run {facts.attempt}", run_for=5 if facts.attempt == 0 else 1000, exit_code=1)

    bench.fake.script.behaviours.append(say)
    await bench.create()
    await bench.clock.advance(seconds=6)
    assert await bench.logs() == "run 1\n"
    assert await bench.logs(previous=True) == "run 0\n"


async def test_logs_of_what_waits(bench: Bench) -> None:
    await bench.create(fake={"pull-delay": "1h"})
    await bench.clock.advance(seconds=2)
    with pytest.raises(BadRequest, match='container "app" in pod "web" is waiting to start: ContainerCreating'):
        await bench.logs()


async def test_following_a_log_to_its_end(bench: Bench) -> None:
    await bench.create(fake={"logs": "one"})
    container = bench.fake.find(NAMESPACE, "web", "app")
    pieces = bench.client.logs(NAMESPACE, "web", {"follow": True})
    assert await anext(pieces) == b"one\n"
    bench.fake.print(container, "two")
    assert await anext(pieces) == b"two\n"
    bench.fake.exit(container, 0)
    assert [piece async for piece in pieces] == []


async def test_a_new_agent_adopts_what_runs(bench: Bench) -> None:
    await bench.create()
    before = await bench.pod()
    await bench.system.stop()
    again = NodeAgent(
        Config(nodes=("n1",), node_ips=("172.18.0.9",)),
        clock=bench.clock,
        client=bench.client,
        runtime_channel=bench.cluster.channel().__class__(bench.fake.services(), clock=bench.clock),
    )
    async with System(again.spec(), clock=bench.clock, name="again"):
        await bench.clock.settle()
        assert (await bench.pod())["status"] == before["status"]
        bench.fake.exit(bench.fake.find(NAMESPACE, "web", "app"), 1)
        assert (await bench.container())["restartCount"] == 1


async def test_a_runtime_that_lost_everything(bench: Bench) -> None:
    await bench.create()
    await bench.system.stop()
    fresh = NodeAgent(Config(nodes=("n1",), node_ips=("172.18.0.9",)), clock=bench.clock, client=bench.client)
    async with System(fresh.spec(), clock=bench.clock, name="fresh"):
        await bench.clock.settle()
        found = await bench.container()
        assert found["restartCount"] == 1
        assert found["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
        assert conditions.is_true(await bench.pod(), "Ready")


async def test_a_log_that_has_grown_is_rotated_and_followed_on(bench: Bench) -> None:
    await bench.create(fake={"logs": "one"})
    id = bench.fake.find(NAMESPACE, "web", "app")
    pieces = bench.client.logs(NAMESPACE, "web", {"follow": True})
    assert await anext(pieces) == b"one\n"
    path = Path(bench.fake.containers[id].full_log_path())
    rotation = LogRotation(bench.agent.context("n1"), max_bytes=10, max_files=3)
    rotation.clock = bench.clock
    for number in range(4):
        bench.fake.containers[id].lines.clear()  # as a real runtime begins a new file
        await bench.clock.advance(seconds=1)
        await rotation.rotate()
        bench.fake.print(id, f"line {number}")
        assert await anext(pieces) == f"line {number}\n".encode()
    assert len(list(path.parent.iterdir())) == 3
    bench.fake.exit(id, 0)
    assert [piece async for piece in pieces] == []


async def test_a_follower_waits_for_the_file_that_comes_after_a_rotation(bench: Bench) -> None:
    await bench.create(fake={"logs": "one"})
    id = bench.fake.find(NAMESPACE, "web", "app")
    pieces = bench.client.logs(NAMESPACE, "web", {"follow": True})
    assert await anext(pieces) == b"one\n"
    container = bench.fake.containers[id]
    path = Path(container.full_log_path())
    with path.open("ab") as file:
        file.write(b"2026-01-01T00:00:00Z stdout F last words\n")
    path.rename(path.with_name("0.log.old"))
    assert await anext(pieces) == b"last words\n"  # and then finds nobody at the name
    container.lines.clear()
    await bench.agent.context("n1").cri.reopen_log(id)
    bench.fake.print(id, "two")
    assert await anext(pieces) == b"two\n"
