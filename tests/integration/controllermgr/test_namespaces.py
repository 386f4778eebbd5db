"""What every namespace has, and how one goes."""

from __future__ import annotations

from machinery.client.api import Object
from machinery.client.resources import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS, SECRETS, SERVICE_ACCOUNTS
from machinery.errors import NotFound
from machinery.objects import conditions, meta
from tests.support.workloads import AT_ONCE, Stage, stage, workload


async def make(on: Stage, name: str) -> None:
    await on.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await on.settle()


async def gone(on: Stage, name: str) -> bool:
    try:
        await on.client.get(NAMESPACES, name)
    except NotFound:
        return True
    return False


async def test_a_namespace_gets_its_account_and_the_root_certificate() -> None:
    async with stage() as on:
        await make(on, "ns")
        account = await on.client.get(SERVICE_ACCOUNTS, "default", namespace="ns")
        await on.client.delete(SERVICE_ACCOUNTS, "default", namespace="ns")
        await on.settle()
        again = await on.client.get(SERVICE_ACCOUNTS, "default", namespace="ns")
        assert meta.uid(again) != meta.uid(account)
        roots = await on.client.get(CONFIG_MAPS, "kube-root-ca.crt", namespace="ns")
        assert roots["data"]["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
        await on.client.update(CONFIG_MAPS, {**roots, "data": {"ca.crt": "forged"}})
        await on.settle()
        assert (await on.client.get(CONFIG_MAPS, "kube-root-ca.crt", namespace="ns"))["data"] == roots["data"]


async def test_an_empty_namespace_goes_at_once() -> None:
    async with stage() as on:
        await make(on, "ns")
        await on.client.delete(NAMESPACES, "ns")
        await on.settle()
        assert await gone(on, "ns")


async def test_all_that_is_in_it_goes_first_and_pods_before_the_rest() -> None:
    async with stage() as on:
        await make(on, "ns")
        secret: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}}
        await on.client.create(SECRETS, secret)
        deployment = workload("Deployment", replicas=2)
        await on.client.create(DEPLOYMENTS, deployment, namespace="ns")
        await on.settle()
        for each in (await on.client.list(PODS, namespace="ns")).items:
            target = {"apiVersion": "v1", "kind": "Node", "name": "somewhere"}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": each["metadata"], "target": target}
            await on.client.create(PODS, binding, namespace="ns", name=meta.name(each), subresource="binding")
        await on.client.delete(NAMESPACES, "ns")
        await on.settle()
        namespace = await on.client.get(NAMESPACES, "ns")
        assert namespace["status"]["phase"] == "Terminating"
        told = conditions.get(namespace, "NamespaceContentRemaining")
        assert told is not None
        assert (told["status"], told["message"]) == (
            "True",
            "Some resources are remaining: pods. has 2 resource instances",
        )
        assert await on.client.get(SECRETS, "s", namespace="ns"), "what pods may need outlives them"
        for each in (await on.client.list(PODS, namespace="ns")).items:
            await on.client.delete(PODS, meta.name(each), namespace="ns", options=AT_ONCE)
        await on.settle()
        assert await gone(on, "ns")


async def test_a_finalizer_holds_the_namespace_and_is_named() -> None:
    async with stage() as on:
        await make(on, "ns")
        held: Object = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "held", "namespace": "ns", "finalizers": ["example.com/hold"]},
        }
        await on.client.create(CONFIG_MAPS, held)
        await on.client.delete(NAMESPACES, "ns")
        await on.advance(seconds=30)
        told = conditions.get(await on.client.get(NAMESPACES, "ns"), "NamespaceFinalizersRemaining")
        assert told is not None
        assert told["message"] == (
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
        )
        current = await on.client.get(CONFIG_MAPS, "held", namespace="ns")
        await on.client.update(CONFIG_MAPS, meta.without_finalizer(current, "example.com/hold"))
        await on.advance(seconds=20)
        assert await gone(on, "ns")
