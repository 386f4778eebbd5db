"""StatefulSets and DaemonSets over the real API."""

from __future__ import annotations

from machinery.client.resources import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    STATEFUL_SETS,
)
from machinery.objects import meta, pod
from tests.support.workloads import NAMESPACE, Stage, stage, template, workload

CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


async def _images(on: Stage) -> dict[str, str]:
    return {meta.name(each): pod.containers(each)[0]["image"] for each in await on.pods()}


async def test_stateful_pods_come_in_order_with_their_claims() -> None:
    async with stage() as on:
        await on.create(
            STATEFUL_SETS, workload("StatefulSet", serviceName="x", replicas=2, volumeClaimTemplates=[CLAIM])
        )
        assert await on.pod_names() == ["x-0"]
        await on.play()
        assert await on.pod_names() == ["x-0", "x-1"]
        await on.play()
        status = (await on.get(STATEFUL_SETS, "x"))["status"]
        assert (status["readyReplicas"], status["currentRevision"]) == (2, status["updateRevision"])
        assert sorted(map(meta.name, await on.every(PERSISTENT_VOLUME_CLAIMS))) == ["data-x-0", "data-x-1"]


async def test_stateful_pods_go_in_reverse_and_leave_their_claims() -> None:
    async with stage() as on:
        await on.create(
            STATEFUL_SETS,
            workload("StatefulSet", replicas=2, podManagementPolicy="Parallel", volumeClaimTemplates=[CLAIM]),
        )
        assert await on.pod_names() == ["x-0", "x-1"]
        await on.play()
        await on.change(STATEFUL_SETS, "x", replicas=0)
        await on.reap()
        assert await on.pods() == []
        assert len(await on.every(PERSISTENT_VOLUME_CLAIMS)) == 2


async def test_claims_go_with_their_set_when_its_policy_says_so() -> None:
    async with stage() as on:
        await on.create(STATEFUL_SETS, workload("StatefulSet", replicas=1, volumeClaimTemplates=[CLAIM]))
        await on.play()
        (claim,) = await on.every(PERSISTENT_VOLUME_CLAIMS)
        assert not meta.owner_references(claim)
        policy = {"whenDeleted": "Delete", "whenScaled": "Retain"}
        await on.change(STATEFUL_SETS, "x", persistentVolumeClaimRetentionPolicy=policy)
        (claim,) = await on.every(PERSISTENT_VOLUME_CLAIMS)
        assert [each["kind"] for each in meta.owner_references(claim)] == ["StatefulSet"]
        await on.client.delete(STATEFUL_SETS, "x", namespace=NAMESPACE)
        await on.settle()
        await on.reap()
        assert not [each for each in await on.every(PERSISTENT_VOLUME_CLAIMS) if not meta.is_deleting(each)]


async def test_scaling_down_may_take_the_claims_along() -> None:
    async with stage() as on:
        policy = {"whenDeleted": "Retain", "whenScaled": "Delete"}
        await on.create(
            STATEFUL_SETS,
            workload(
                "StatefulSet",
                replicas=2,
                podManagementPolicy="Parallel",
                volumeClaimTemplates=[CLAIM],
                persistentVolumeClaimRetentionPolicy=policy,
            ),
        )
        await on.play()
        await on.change(STATEFUL_SETS, "x", replicas=1)
        await on.reap()
        left = [meta.name(each) for each in await on.every(PERSISTENT_VOLUME_CLAIMS) if not meta.is_deleting(each)]
        assert left == ["data-x-0"]


async def test_stateful_update_rolls_from_the_top_and_back() -> None:
    async with stage() as on:
        await on.create(STATEFUL_SETS, workload("StatefulSet", replicas=2, podManagementPolicy="Parallel"))
        await on.play()
        before = (await on.get(STATEFUL_SETS, "x"))["status"]["currentRevision"]
        await on.change(STATEFUL_SETS, "x", template=template(image="image:2"))
        await on.reap()
        assert await _images(on) == {"x-0": "image:1", "x-1": "image:2"}
        await on.play()
        await on.reap()
        await on.play()
        assert await _images(on) == {"x-0": "image:2", "x-1": "image:2"}
        status = (await on.get(STATEFUL_SETS, "x"))["status"]
        assert status["currentRevision"] == status["updateRevision"] != before
        await on.change(STATEFUL_SETS, "x", template=template())
        assert (await on.get(STATEFUL_SETS, "x"))["status"]["updateRevision"] == before
        revisions = {meta.name(each): each["revision"] for each in await on.every(CONTROLLER_REVISIONS)}
        assert len(revisions) == 2 and revisions[before] == 3


async def test_partition_holds_an_update_back() -> None:
    async with stage() as on:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
        await on.create(
            STATEFUL_SETS,
            workload("StatefulSet", replicas=2, podManagementPolicy="Parallel", updateStrategy=strategy),
        )
        await on.play()
        await on.change(STATEFUL_SETS, "x", template=template(image="image:2"))
        await on.reap()
        await on.play()
        assert await _images(on) == {"x-0": "image:1", "x-1": "image:2"}
        await on.client.delete(PODS, "x-0", namespace=NAMESPACE)
        await on.settle()
        await on.reap()
        assert (await _images(on))["x-0"] == "image:1"  # below the partition the old revision comes again


async def _node(on: Stage, name: str) -> None:
    await on.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})


async def test_daemons_follow_the_nodes() -> None:
    async with stage() as on:
        await _node(on, "a")
        await on.create(DAEMON_SETS, workload("DaemonSet"))
        assert len(await on.pods()) == 1
        await _node(on, "b")
        assert len(await on.pods()) == 2
        await on.play()
        status = (await on.get(DAEMON_SETS, "x"))["status"]
        assert (status["desiredNumberScheduled"], status["numberReady"], status["numberAvailable"]) == (2, 2, 2)


async def test_daemon_update_replaces_one_node_after_the_other() -> None:
    async with stage() as on:
        for name in ("a", "b"):
            await _node(on, name)
        await on.create(DAEMON_SETS, workload("DaemonSet"))
        await on.play()
        await on.change(DAEMON_SETS, "x", template=template(image="image:2"))
        await on.reap()
        assert sorted((await _images(on)).values()) == ["image:1", "image:2"]
        for _ in range(2):
            await on.play()
            await on.reap()
        assert set((await _images(on)).values()) == {"image:2"}
        await on.play()
        status = (await on.get(DAEMON_SETS, "x"))["status"]
        assert (status["updatedNumberScheduled"], status["observedGeneration"]) == (2, 2)


async def test_failing_daemons_are_replaced_more_and_more_slowly() -> None:
    async with stage() as on:
        await _node(on, "a")
        await on.create(DAEMON_SETS, workload("DaemonSet"))
        await on.play("Failed")  # the first is replaced at once
        (first,) = await on.pods()
        await on.play("Failed")
        assert await on.pods() == []
        await on.advance(seconds=1.5)
        (second,) = await on.pods()
        assert meta.uid(second) != meta.uid(first)
        assert (await on.reasons("DaemonSet")).count("FailedDaemonPod") == 2


async def test_old_revisions_are_forgotten_beyond_the_limit() -> None:
    async with stage() as on:
        await on.create(DAEMON_SETS, workload("DaemonSet", revisionHistoryLimit=1))
        for number in range(2, 5):
            await on.change(DAEMON_SETS, "x", template=template(image=f"image:{number}"))
        assert sorted(each["revision"] for each in await on.every(CONTROLLER_REVISIONS)) == [3, 4]
