"""The garbage collector over the real API: background, foreground, orphans, kinds that appear later."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.client.api import DeleteOptions
from machinery.client.resources import CONFIG_MAPS, DEPLOYMENTS, PODS, REPLICA_SETS
from machinery.objects import meta, owners
from machinery.objects.gvk import GVR
from tests.support.workloads import NAMESPACE, Stage, stage, workload

CRDS = GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions")


def _config_map(name: str, *refs: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, **metadata}
    if refs:
        found["ownerReferences"] = list(refs)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": found}


def _gone(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": f"uid-of-{name}"}


async def _delete(on: Stage, resource: GVR, name: str, policy: str) -> None:
    await on.client.delete(resource, name, namespace=NAMESPACE, options=DeleteOptions(propagation_policy=policy))
    await on.settle()


async def test_background_deletion_runs_down_the_tree() -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=2))
        assert len(await on.pods()) == 2
        await _delete(on, DEPLOYMENTS, "x", "Background")
        await on.reap()
        assert not await on.every(REPLICA_SETS) and not await on.every(PODS)


async def test_foreground_deletion_waits_for_the_leaves() -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=1))
        await on.play()
        (leaf,) = await on.pods()
        held = meta.with_finalizer(leaf, "example.com/hold")
        await on.client.update(PODS, held)
        await _delete(on, DEPLOYMENTS, "x", "Foreground")
        await on.reap()
        deployment = await on.get(DEPLOYMENTS, "x")
        assert meta.is_deleting(deployment) and meta.finalizers(deployment) == ["foregroundDeletion"]
        assert len(await on.every(REPLICA_SETS)) == 1
        left = await on.get(PODS, meta.name(leaf))
        await on.client.update(PODS, meta.without_finalizer(left, "example.com/hold"))
        await on.settle()
        assert not await on.every(PODS) and not await on.every(REPLICA_SETS)
        assert not await on.exists(DEPLOYMENTS, "x")


async def test_orphans_are_set_free() -> None:
    async with stage() as on:
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=1))
        await _delete(on, DEPLOYMENTS, "x", "Orphan")
        assert not await on.exists(DEPLOYMENTS, "x")
        (replica_set,) = await on.every(REPLICA_SETS)
        assert owners.controller_of(replica_set) is None and not meta.is_deleting(replica_set)
        assert len(await on.pods()) == 1


async def test_owner_that_never_was_is_found_out() -> None:
    async with stage() as on:
        await on.create(CONFIG_MAPS, _config_map("a", _gone("nobody")))
        assert not await on.exists(CONFIG_MAPS, "a")


async def test_one_owner_left_is_enough() -> None:
    async with stage() as on:
        owner = await on.create(CONFIG_MAPS, _config_map("owner"))
        ref = owners.reference(owner, controller=False, block=False)
        await on.create(CONFIG_MAPS, _config_map("a", ref, _gone("nobody")))
        kept = await on.get(CONFIG_MAPS, "a")
        assert [each["name"] for each in meta.owner_references(kept)] == ["owner"]
        await _delete(on, CONFIG_MAPS, "owner", "Background")
        assert not await on.exists(CONFIG_MAPS, "a")


async def test_successor_of_the_same_name_is_not_the_owner() -> None:
    async with stage() as on:
        owner = await on.create(CONFIG_MAPS, _config_map("owner"))
        ref = {**owners.reference(owner, controller=False), "uid": "another"}
        await on.create(CONFIG_MAPS, _config_map("a", ref))
        assert not await on.exists(CONFIG_MAPS, "a")


async def test_owner_of_a_kind_that_nobody_serves_protects() -> None:
    async with stage() as on:
        ref = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": "u"}
        await on.create(CONFIG_MAPS, _config_map("a", ref))
        await on.advance(minutes=2)
        assert await on.exists(CONFIG_MAPS, "a")


async def test_circle_in_foreground_deletion_is_cut() -> None:
    async with stage() as on:
        a = await on.create(CONFIG_MAPS, _config_map("a"))
        b = await on.create(CONFIG_MAPS, _config_map("b", owners.reference(a, controller=False)))
        a = await on.get(CONFIG_MAPS, "a")
        looped = {**a, "metadata": {**meta.metadata(a), "ownerReferences": [owners.reference(b, controller=False)]}}
        await on.client.update(CONFIG_MAPS, looped)
        await on.settle()
        await _delete(on, CONFIG_MAPS, "a", "Foreground")
        assert not await on.exists(CONFIG_MAPS, "a") and not await on.exists(CONFIG_MAPS, "b")


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_custom_resources_own_and_are_owned(policy: str) -> None:
    widgets = GVR("example.com", "v1", "widgets")
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    async with stage() as on:
        await on.client.create(CRDS, definition)
        await on.settle()
        await on.advance(seconds=60)
        widget = await on.create(widgets, {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}})
        await on.create(CONFIG_MAPS, _config_map("a", owners.reference(widget)))
        await _delete(on, widgets, "w", policy)
        assert not await on.exists(CONFIG_MAPS, "a") and not await on.exists(widgets, "w")
