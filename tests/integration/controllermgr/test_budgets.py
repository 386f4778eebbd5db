"""Disruption budgets and quotas: their status, and what evictions make of it."""

from __future__ import annotations

import pytest

from machinery.client.api import Object
from machinery.client.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    RESOURCE_QUOTAS,
)
from machinery.errors import TooManyRequests
from machinery.objects import conditions
from tests.support.workloads import NAMESPACE, Stage, stage, workload


async def evict(on: Stage, name: str) -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    await on.client.create(PODS, eviction, namespace=NAMESPACE, name=name, subresource="eviction")
    await on.settle()


async def test_a_budget_lets_go_what_can_be_missed_and_no_more() -> None:
    async with stage() as on:
        budget: Object = {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "b"},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "x"}}},
        }
        await on.create(POD_DISRUPTION_BUDGETS, budget)
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=3))
        await on.bind()
        status = (await on.get(POD_DISRUPTION_BUDGETS, "b"))["status"]
        assert (status["expectedPods"], status["desiredHealthy"], status["disruptionsAllowed"]) == (3, 2, 0)
        await on.play("Running", *await on.pod_names())
        found = await on.get(POD_DISRUPTION_BUDGETS, "b")
        assert (found["status"]["currentHealthy"], found["status"]["disruptionsAllowed"]) == (3, 1)
        assert conditions.is_true(found, "DisruptionAllowed")
        first, second, _ = await on.pod_names()
        await evict(on, first)
        status = (await on.get(POD_DISRUPTION_BUDGETS, "b"))["status"]
        assert (status["currentHealthy"], status["disruptionsAllowed"]) == (2, 0)
        assert "disruptedPods" not in status, "it is being deleted, so it need not be remembered"
        with pytest.raises(TooManyRequests, match="would violate the pod's disruption budget"):
            await evict(on, second)


async def test_a_quota_counts_what_comes_and_goes() -> None:
    async with stage() as on:
        quota: Object = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "q"},
            "spec": {"hard": {"pods": "10", "count/deployments.apps": "5", "configmaps": "9"}},
        }
        await on.create(RESOURCE_QUOTAS, quota)

        async def used() -> dict[str, str]:
            return dict((await on.get(RESOURCE_QUOTAS, "q"))["status"]["used"])

        before = int((await used())["configmaps"])
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=2))
        await on.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
        assert await used() == {"pods": "2", "count/deployments.apps": "1", "configmaps": str(before + 1)}
        await on.client.delete(CONFIG_MAPS, "c", namespace=NAMESPACE)
        await on.change(DEPLOYMENTS, "x", replicas=1)
        assert await used() == {"pods": "1", "count/deployments.apps": "1", "configmaps": str(before)}
