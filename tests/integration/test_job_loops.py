"""Jobs and CronJobs over the real API: pods come, are counted, go; time does the rest."""

from __future__ import annotations

from typing import Any

from machinery.client.api import DeleteOptions
from machinery.client.resources import CRON_JOBS, JOBS, PODS
from machinery.objects import conditions, meta
from tests.support.workloads import NAMESPACE, Stage, stage, template


def _job(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "x"},
        "spec": {"template": template("Never"), **spec},
    }


def _cron_job(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "x"},
        "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": _job()["spec"]}, **spec},
    }


async def _status(on: Stage) -> dict[str, Any]:
    found: dict[str, Any] = (await on.get(JOBS, "x"))["status"]
    return found


async def test_job_runs_to_completion() -> None:
    async with stage() as on:
        await on.create(JOBS, _job(completions=3, parallelism=2))
        assert len(await on.pods()) == 2
        assert (await _status(on))["active"] == 2
        await on.play("Succeeded")
        assert len(await on.pods()) == 1
        await on.play("Succeeded")
        status = await _status(on)
        assert status["succeeded"] == 3 and status["uncountedTerminatedPods"] == {}
        assert "active" not in status and status["completionTime"]
        assert conditions.is_true({"status": status}, "Complete")
        assert not any(meta.finalizers(each) for each in await on.every(PODS))
        assert "Completed" in await on.reasons("Job")


async def test_counts_survive_pods_that_are_deleted() -> None:
    async with stage() as on:
        await on.create(JOBS, _job(completions=2))
        await on.play("Succeeded")
        for each in await on.every(PODS):
            if each["status"].get("phase") == "Succeeded":
                await on.client.delete(PODS, meta.name(each), namespace=NAMESPACE)
        await on.settle()
        assert (await _status(on))["succeeded"] == 1
        await on.play("Succeeded")
        assert conditions.is_true(await on.get(JOBS, "x"), "Complete")


async def test_failures_back_off_and_then_end_the_job() -> None:
    async with stage() as on:
        await on.create(JOBS, _job(backoffLimit=1))
        await on.play("Failed")
        assert await on.pods() == []
        await on.advance(seconds=5)
        assert await on.pods() == []
        await on.advance(seconds=6)
        assert len(await on.pods()) == 1
        await on.play("Failed")
        job = await on.get(JOBS, "x")
        failed = conditions.get(job, "Failed")
        assert failed is not None and failed["reason"] == "BackoffLimitExceeded"
        assert job["status"]["failed"] == 2
        assert "BackoffLimitExceeded" in await on.reasons("Job")


async def test_deadline_ends_the_job() -> None:
    async with stage("*", "-podgc") as on:
        await on.create(JOBS, _job(activeDeadlineSeconds=30))
        await on.bind()
        await on.play("Running")
        await on.advance(seconds=31)
        assert await on.pods() == []
        assert not conditions.is_true(await on.get(JOBS, "x"), "Failed")
        await on.reap()
        failed = conditions.get(await on.get(JOBS, "x"), "Failed")
        assert failed is not None and failed["reason"] == "DeadlineExceeded"


async def test_suspend_and_resume() -> None:
    async with stage() as on:
        await on.create(JOBS, _job(suspend=True))
        assert await on.pods() == [] and "startTime" not in await _status(on)
        await on.change(JOBS, "x", suspend=False)
        await on.play("Running")
        assert len(await on.pods()) == 1 and "startTime" in await _status(on)
        await on.change(JOBS, "x", suspend=True)
        await on.reap()
        status = await _status(on)
        assert "active" not in status and "failed" not in status
        assert {"Suspended", "Resumed"} <= set(await on.reasons("Job"))


async def test_indexed_job_works_on_every_index() -> None:
    async with stage() as on:
        await on.create(JOBS, _job(completions=3, parallelism=3, completionMode="Indexed"))
        pods = await on.pods()
        assert sorted(each["spec"]["hostname"] for each in pods) == ["x-0", "x-1", "x-2"]
        second = next(each for each in pods if each["spec"]["hostname"] == "x-1")
        await on.play("Succeeded", meta.name(second))
        assert (await _status(on))["completedIndexes"] == "1"
        await on.play("Succeeded")
        status = await _status(on)
        assert status["completedIndexes"] == "0-2" and status["succeeded"] == 3


async def test_deleting_a_job_takes_its_pods_along() -> None:
    async with stage() as on:
        await on.create(JOBS, _job())
        await on.client.delete(JOBS, "x", namespace=NAMESPACE, options=DeleteOptions(propagation_policy="Background"))
        await on.settle()
        await on.reap()
        assert await on.every(PODS) == []


async def test_orphaned_pods_are_held_back_by_nobody() -> None:
    async with stage() as on:
        await on.create(JOBS, _job(completions=2, parallelism=2))
        (first, _) = await on.pods()
        stray = {**first, "metadata": {**meta.metadata(first), "ownerReferences": [], "labels": {}}}
        await on.client.update(PODS, stray)
        await on.settle()
        assert meta.finalizers(await on.get(PODS, meta.name(first))) == []
        await on.client.delete(JOBS, "x", namespace=NAMESPACE, options=DeleteOptions(propagation_policy="Orphan"))
        await on.settle()
        assert not await on.every(JOBS)
        left = await on.pods()
        assert len(left) == 3 and not any(meta.finalizers(each) or meta.owner_references(each) for each in left)


async def test_cron_job_starts_a_job_at_each_time() -> None:
    async with stage() as on:
        await on.create(CRON_JOBS, _cron_job())
        assert await on.every(JOBS) == []
        await on.advance(minutes=5, seconds=1)
        (job,) = await on.every(JOBS)
        assert meta.name(job).startswith("x-")
        status = (await on.get(CRON_JOBS, "x"))["status"]
        assert [each["name"] for each in status["active"]] == [meta.name(job)]
        await on.advance(seconds=1)
        await on.play("Succeeded")
        status = (await on.get(CRON_JOBS, "x"))["status"]
        assert "active" not in status and status["lastSuccessfulTime"]
        await on.advance(minutes=5)
        assert len(await on.every(JOBS)) == 2


async def test_cron_job_forbids_overlap() -> None:
    async with stage() as on:
        await on.create(CRON_JOBS, _cron_job(concurrencyPolicy="Forbid"))
        await on.advance(minutes=11)
        assert len(await on.every(JOBS)) == 1
        assert "JobAlreadyActive" in await on.reasons("CronJob")
        await on.play("Succeeded")
        assert len(await on.every(JOBS)) == 2  # the time that was missed is made up for


async def test_cron_job_replaces_what_still_runs() -> None:
    async with stage() as on:
        await on.create(CRON_JOBS, _cron_job(concurrencyPolicy="Replace"))
        await on.advance(minutes=5, seconds=1)
        (first,) = await on.every(JOBS)
        await on.advance(minutes=5)
        await on.reap()
        (second,) = await on.every(JOBS)
        assert meta.uid(second) != meta.uid(first)


async def test_cron_job_keeps_a_short_history() -> None:
    async with stage() as on:
        await on.create(CRON_JOBS, _cron_job(successfulJobsHistoryLimit=2))
        for _ in range(4):
            await on.advance(minutes=5)
            await on.play("Succeeded")
        assert sum(conditions.is_true(each, "Complete") for each in await on.every(JOBS)) == 2


async def test_suspended_cron_job_starts_nothing() -> None:
    async with stage() as on:
        await on.create(CRON_JOBS, _cron_job(suspend=True))
        await on.advance(hours=1)
        assert await on.every(JOBS) == []
