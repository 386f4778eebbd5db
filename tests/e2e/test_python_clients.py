"""The Python clients `kubernetes`, `kr8s` and `lightkube` list, watch and change objects."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from tests.support.apiserver import Plane, plane

pytestmark = pytest.mark.e2e


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Plane]:
    async with plane() as running:
        yield running


async def test_kubernetes(server: Plane, tmp_path: pathlib.Path) -> None:
    kubernetes = pytest.importorskip("kubernetes")
    kubeconfig = str(server.kubeconfig(tmp_path))

    def use() -> None:
        configuration = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(kubeconfig, client_configuration=configuration)
        with kubernetes.client.ApiClient(configuration) as api:
            core = kubernetes.client.CoreV1Api(api)
            assert "kube-system" in [each.metadata.name for each in core.list_namespace().items]
            metadata = kubernetes.client.V1ObjectMeta(name="c")
            made = core.create_namespaced_config_map(
                "default", kubernetes.client.V1ConfigMap(metadata=metadata, data={"a": "1"})
            )
            assert core.patch_namespaced_config_map("c", "default", {"data": {"b": "2"}}).data == {"a": "1", "b": "2"}
            made.data = {"z": "1"}
            with pytest.raises(kubernetes.client.ApiException) as caught:
                core.replace_namespaced_config_map("c", "default", made)
            assert caught.value.status == 409
            watch = kubernetes.watch.Watch()
            events = watch.stream(core.list_namespaced_config_map, "default", timeout_seconds=1)
            assert ("ADDED", "c") in [(event["type"], event["object"].metadata.name) for event in events]
            core.delete_namespaced_config_map("c", "default")
            with pytest.raises(kubernetes.client.ApiException) as caught:
                core.read_namespaced_config_map("c", "default")
            assert caught.value.status == 404
            assert kubernetes.client.VersionApi(api).get_code().git_version.startswith("v1.37.0")
            names = [group.name for group in kubernetes.client.ApisApi(api).get_api_versions().groups]
            assert "apps" in names

    await asyncio.to_thread(use)


async def test_kr8s(server: Plane, tmp_path: pathlib.Path) -> None:
    kr8s = pytest.importorskip("kr8s")
    from kr8s.asyncio.objects import ConfigMap, Namespace

    with pytest.warns(UserWarning, match="is not supported"):
        # It knows no Kubernetes as new as ours and says so.
        api = await kr8s.asyncio.api(kubeconfig=str(server.kubeconfig(tmp_path)))
    assert "default" in [each.name async for each in Namespace.list(api=api)]
    settings = await ConfigMap({"metadata": {"name": "k", "namespace": "default"}, "data": {"a": "b"}}, api=api)
    await settings.create()
    await settings.patch({"data": {"c": "d"}})
    await settings.label({"x": "y"})
    assert (dict(settings.raw["data"]), dict(settings.labels)) == ({"a": "b", "c": "d"}, {"x": "y"})
    async with asyncio.timeout(10), aclosing(api.watch("configmaps", namespace="default")) as events:
        async for event, found in events:
            if found.name == "k":
                assert event == "ADDED"
                break
    await settings.delete()
    assert not await settings.exists()


async def test_lightkube(server: Plane, tmp_path: pathlib.Path) -> None:
    lightkube = pytest.importorskip("lightkube")
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap, Namespace

    config = lightkube.KubeConfig.from_file(str(server.kubeconfig(tmp_path)))
    client = lightkube.AsyncClient(config=config, field_manager="tests")
    assert "kube-public" in [each.metadata.name async for each in client.list(Namespace)]
    metadata = ObjectMeta(name="l", namespace="default")
    await client.create(ConfigMap(metadata=metadata, data={"a": "b"}))
    await client.patch(ConfigMap, "l", {"data": {"q": "r"}}, namespace="default")
    assert (await client.get(ConfigMap, "l", namespace="default")).data == {"a": "b", "q": "r"}
    applied = await client.apply(ConfigMap(metadata=metadata, data={"s": "t"}), force=True)
    assert applied.data["s"] == "t"
    async with asyncio.timeout(10), aclosing(client.watch(ConfigMap, namespace="default")) as events:
        async for event, found in events:
            if found.metadata.name == "l":
                assert event == "ADDED"
                break
    await client.delete(ConfigMap, "l", namespace="default")
    with pytest.raises(lightkube.ApiError) as caught:
        await client.get(ConfigMap, "l", namespace="default")
    assert caught.value.status.reason == "NotFound"
    await client.close()
