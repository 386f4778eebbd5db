"""Deployments and ReplicaSets over the real API."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.client.api import Object
from machinery.client.resources import DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS, RESOURCE_QUOTAS
from machinery.objects import conditions, meta, owners, pod
from tests.support.workloads import NAMESPACE, Stage, stage, template, workload

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"


async def sizes(on: Stage) -> dict[str, int]:
    """Replicas by image."""
    return {
        each["spec"]["template"]["spec"]["containers"][0]["image"]: each["spec"]["replicas"]
        for each in await on.every(REPLICA_SETS)
    }


async def messages(on: Stage, kind: str) -> list[str]:
    """What was said of objects of a kind, in order, without the hash in names."""
    said = sorted(
        (each for each in await on.every(EVENTS) if each["involvedObject"]["kind"] == kind),
        key=lambda each: int(each["metadata"]["name"].rpartition(".")[2], 16),
    )
    return [each["message"] for each in said]


async def roll(on: Stage, image: str) -> None:
    await on.change(DEPLOYMENTS, "x", template=template(image=image))


async def finish(on: Stage) -> None:
    """Play nodes until nothing moves any more."""
    for _ in range(20):
        before = await on.every(PODS)
        await on.play()
        await on.reap()
        if await on.every(PODS) == before:
            return
    raise AssertionError("the rollout does not come to an end")


async def progress(on: Stage) -> tuple[str, str]:
    """(status, reason) of the Progressing condition."""
    told = conditions.get(await on.get(DEPLOYMENTS, "x"), "Progressing")
    assert told is not None
    return told["status"], told["reason"]


async def test_a_deployment_gets_its_replica_set_and_pods() -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=3))
        (replica_set,) = await on.every(REPLICA_SETS)
        digest = meta.label(replica_set, HASH)
        assert meta.name(replica_set) == f"x-{digest}"
        pods = await on.pods()
        assert len(pods) == 3
        assert all(meta.name(each).startswith(f"x-{digest}-") for each in pods)
        assert all(meta.label(each, HASH) == digest for each in pods)
        assert all(owners.is_controlled_by(each, replica_set) for each in pods)
        assert await progress(on) == ("True", "ReplicaSetUpdated")
        await on.play()
        deployment = await on.get(DEPLOYMENTS, "x")
        assert meta.annotation(deployment, REVISION) == "1"
        assert meta.generation(deployment) == 1
        status = deployment["status"]
        assert (status["replicas"], status["readyReplicas"], status["availableReplicas"]) == (3, 3, 3)
        assert conditions.is_true(deployment, "Available")
        assert await progress(on) == ("True", "NewReplicaSetAvailable")
        assert await messages(on, "Deployment") == [f"Scaled up replica set x-{digest} from 0 to 3"]
        assert sorted(await messages(on, "ReplicaSet")) == sorted(f"Created pod: {meta.name(each)}" for each in pods)


async def test_a_rolling_update_keeps_within_its_limits() -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=4))
        await finish(on)
        await roll(on, "image:2")
        assert await sizes(on) == {"image:1": 3, "image:2": 2}
        for _ in range(20):
            pods = await on.pods()
            assert len(pods) <= 5, "no more than replicas and surge"
            assert sum(pod.is_ready(each) for each in pods) >= 3, "no fewer than may be missing"
            if await sizes(on) == {"image:1": 0, "image:2": 4}:
                break
            await on.play()
            await on.reap()
        await finish(on)
        deployment = await on.get(DEPLOYMENTS, "x")
        assert meta.annotation(deployment, REVISION) == "2"
        assert deployment["status"]["updatedReplicas"] == deployment["status"]["replicas"] == 4
        assert {each["spec"]["containers"][0]["image"] for each in await on.pods()} == {"image:2"}


async def test_an_undone_rollout_takes_up_the_old_replica_set() -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=2))
        await finish(on)
        await roll(on, "image:2")
        await finish(on)
        await roll(on, "image:1")
        await finish(on)
        assert await sizes(on) == {"image:1": 2, "image:2": 0}
        found = {meta.annotation(each, REVISION): each for each in await on.every(REPLICA_SETS)}
        assert set(found) == {"2", "3"}
        assert meta.annotation(found["3"], "deployment.kubernetes.io/revision-history") == "1"
        assert meta.annotation(await on.get(DEPLOYMENTS, "x"), REVISION) == "3"


async def test_while_paused_a_template_waits_and_a_size_does_not() -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=2))
        await finish(on)
        await on.change(DEPLOYMENTS, "x", paused=True, template=template(image="image:2"))
        assert await progress(on) == ("Unknown", "DeploymentPaused")
        await on.change(DEPLOYMENTS, "x", replicas=3)
        await finish(on)
        assert await sizes(on) == {"image:1": 3}
        await on.change(DEPLOYMENTS, "x", paused=False)
        await finish(on)
        assert await sizes(on) == {"image:1": 0, "image:2": 3}
        assert await progress(on) == ("True", "NewReplicaSetAvailable")


async def test_recreate_waits_until_the_old_pods_are_gone() -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=2, strategy={"type": "Recreate"}))
        await on.bind()
        await finish(on)
        await roll(on, "image:2")
        assert await sizes(on) == {"image:1": 0}
        assert await on.pods() == []
        assert len(await on.every(PODS)) == 2, "they are on their way out"
        await on.reap()
        assert await sizes(on) == {"image:1": 0, "image:2": 2}


async def test_a_size_that_changes_amid_a_rollout_is_shared_in_proportion() -> None:
    async with stage() as on:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=10, strategy=strategy))
        await finish(on)
        await roll(on, "image:2")
        assert await sizes(on) == {"image:1": 8, "image:2": 5}
        await on.change(DEPLOYMENTS, "x", replicas=15)
        assert await sizes(on) == {"image:1": 11, "image:2": 7}, "upstream's own example"


async def test_only_so_many_old_revisions_stay() -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=1, revisionHistoryLimit=1))
        for number in (1, 2, 3, 4):
            await roll(on, f"image:{number}")
            await finish(on)
        assert await sizes(on) == {"image:3": 0, "image:4": 1}


async def test_a_rollout_that_gets_nowhere_is_told_after_its_deadline() -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=1, progressDeadlineSeconds=30))
        await on.advance(seconds=29)
        assert await progress(on) == ("True", "ReplicaSetUpdated")
        await on.advance(seconds=5)
        assert await progress(on) == ("False", "ProgressDeadlineExceeded")
        await finish(on)
        assert await progress(on) == ("True", "NewReplicaSetAvailable")


async def test_pods_are_available_when_they_were_ready_for_long_enough() -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=1, minReadySeconds=10))
        await on.play()
        status = (await on.get(DEPLOYMENTS, "x"))["status"]
        assert (status["readyReplicas"], status.get("availableReplicas", 0)) == (1, 0)
        await on.advance(seconds=11)
        assert (await on.get(DEPLOYMENTS, "x"))["status"]["availableReplicas"] == 1


async def test_annotations_are_passed_on() -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=1))
        deployment = await on.get(DEPLOYMENTS, "x")
        await on.client.update(DEPLOYMENTS, meta.with_annotations(deployment, {"kubernetes.io/change-cause": "why"}))
        await on.settle()
        (replica_set,) = await on.every(REPLICA_SETS)
        assert meta.annotation(replica_set, "kubernetes.io/change-cause") == "why"


async def test_a_replica_set_adopts_orphans_and_releases_what_it_does_not_select() -> None:
    async with stage() as on:
        orphan: Object = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "orphan", "labels": {"app": "x"}},
            "spec": template()["spec"],
        }
        await on.create(PODS, orphan)
        await on.create(REPLICA_SETS, workload("ReplicaSet", replicas=2))
        replica_set = await on.get(REPLICA_SETS, "x")
        assert len(await on.pods()) == 2
        assert owners.is_controlled_by(await on.get(PODS, "orphan"), replica_set)
        adopted = await on.get(PODS, "orphan")
        await on.client.update(PODS, meta.with_labels(adopted, {"app": "other"}))
        await on.settle()
        assert owners.controller_of(await on.get(PODS, "orphan")) is None
        assert len(await on.pods()) == 3, "released, and replaced"


async def test_a_replica_set_replaces_what_ended_and_deletes_what_is_missed_least() -> None:
    async with stage() as on:
        await on.create(REPLICA_SETS, workload("ReplicaSet", replicas=3))
        first, second, third = await on.pod_names()
        await on.play("Failed", first)
        assert len(await on.pods()) == 3
        await on.play("Running", second)
        await on.change(REPLICA_SETS, "x", replicas=1)
        assert await on.pod_names() == [second], "the only ready one"
        said = await messages(on, "ReplicaSet")
        assert f"Deleted pod: {third}" in said
        assert (await on.get(REPLICA_SETS, "x"))["status"]["observedGeneration"] == 2


async def test_what_a_quota_refuses_is_told_and_tried_again() -> None:
    async with stage() as on:
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "q"},
            "spec": {"hard": {"pods": "2"}},
        }
        await on.create(RESOURCE_QUOTAS, quota)
        await on.create(REPLICA_SETS, workload("ReplicaSet", replicas=3))
        assert len(await on.pods()) == 2
        failure = conditions.get(await on.get(REPLICA_SETS, "x"), "ReplicaFailure")
        assert failure is not None
        assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
        assert "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2" in failure["message"]
        assert "FailedCreate" in await on.reasons("ReplicaSet")
        await on.client.delete(RESOURCE_QUOTAS, "q", namespace=NAMESPACE)
        await on.advance(minutes=1)
        assert len(await on.pods()) == 3
        assert conditions.get(await on.get(REPLICA_SETS, "x"), "ReplicaFailure") is None


@pytest.mark.parametrize("replicas", [0, 1, 60])
async def test_nobody_changes_what_the_caches_hold(replicas: int) -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=replicas))
        await finish(on)
        await roll(on, "image:2")
        await finish(on)
        compared = 0
        for informer in on.cluster.controllers.informers.all():
            held: dict[str, Any] = {meta.key(each): each for each in informer.store.values()}
            what = informer.selection
            page = await on.client.list(what.resource, namespace=what.namespace, field_selector=what.field_selector)
            assert {meta.key(each): meta.without_managed_fields(each) for each in page.items} == held
            compared += len(held)
        assert compared > 2 * replicas
