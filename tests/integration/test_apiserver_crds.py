"""Custom resources: served when defined, kept by their schema, emptied before they go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors import VirtualClock
from machinery.client.api import PatchType, Representation
from machinery.client.grpc import ApiClient
from machinery.errors import BadRequest, Invalid, MethodNotAllowed, NotFound, UnsupportedMediaType
from machinery.objects import conditions
from machinery.objects.gvk import GVR
from tests.support.inprocess import Server, serving

DEFINITIONS = GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions")
CRONTABS = GVR("stable.example.com", "v1", "crontabs")
BETA = GVR("stable.example.com", "v1beta1", "crontabs")
NAME = "crontabs.stable.example.com"
Object = dict[str, Any]

SPEC_SCHEMA: Object = {
    "type": "object",
    "required": ["cronSpec"],
    "properties": {
        "cronSpec": {"type": "string", "pattern": r"^\S+ \S+$"},
        "image": {"type": "string", "default": "busybox"},
        "replicas": {"type": "integer", "minimum": 1, "maximum": 10},
    },
}
STATUS_SCHEMA: Object = {
    "type": "object",
    "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}},
}


def definition(name: str = "crontabs", kind: str = "CronTab", *, short: str = "ct") -> Object:
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC_SCHEMA, "status": STATUS_SCHEMA}}}
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": schema,
        "subresources": {"status": {}, "scale": scale},
        "selectableFields": [{"jsonPath": ".spec.image"}],
        "additionalPrinterColumns": [{"name": "Spec", "type": "string", "jsonPath": ".spec.cronSpec"}],
    }
    loose = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    beta = {"name": "v1beta1", "served": True, "storage": False, "schema": loose}
    return {
        "metadata": {"name": f"{name}.stable.example.com"},
        "spec": {
            "group": "stable.example.com",
            "scope": "Namespaced",
            "names": {"plural": name, "kind": kind, "shortNames": [short]},
            "versions": [version, beta],
        },
    }


def crontab(name: str = "a", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"cronSpec": "* *", **spec}}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving(clock=VirtualClock()) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> ApiClient:
    client = server.client()
    await client.create(DEFINITIONS, definition())
    await settled(server)
    return client


async def settled(server: Server) -> None:
    """Everything that follows from what was done has happened."""
    assert isinstance(server.clock, VirtualClock)
    await server.clock.settle()


async def test_a_definition_is_established_and_served(server: Server, client: ApiClient) -> None:
    found = await client.get(DEFINITIONS, NAME)
    assert conditions.is_true(found, "NamesAccepted") and conditions.is_true(found, "Established")
    assert found["status"]["acceptedNames"] == {
        "plural": "crontabs", "singular": "crontab", "kind": "CronTab", "listKind": "CronTabList", "shortNames": ["ct"]
    }  # fmt: skip
    assert found["status"]["storedVersions"] == ["v1"]
    versions = [gvr.version for gvr in server.api.resources.all() if gvr.group == "stable.example.com"]
    assert versions == ["v1", "v1beta1"]


async def test_objects_are_kept_by_the_schema(client: ApiClient) -> None:
    made = await client.create(CRONTABS, {**crontab(replicas=2), "extra": 1}, namespace="default")
    assert made["spec"] == {"cronSpec": "* *", "replicas": 2, "image": "busybox"} and "extra" not in made
    assert client.take_warnings() == ['unknown field "extra"']
    with pytest.raises(BadRequest, match=r'strict decoding error: unknown field "spec\.foo"'):
        await client.create(CRONTABS, crontab("b", foo=1), namespace="default", field_validation="Strict")
    with pytest.raises(Invalid) as caught:
        await client.create(CRONTABS, crontab("b", cronSpec="bad", replicas=11), namespace="default")
    causes = {cause["field"]: cause["message"] for cause in caught.value.details["causes"]}
    assert causes["spec.replicas"] == "Invalid value: 11: spec.replicas in body should be less than or equal to 10"
    assert "spec.cronSpec in body should match" in causes["spec.cronSpec"]
    with pytest.raises(Invalid, match="Required value"):
        await client.create(CRONTABS, {"metadata": {"name": "b"}, "spec": {}}, namespace="default")


async def test_status_scale_and_generation(client: ApiClient) -> None:
    made = await client.create(CRONTABS, {**crontab(replicas=2), "status": {"replicas": 5}}, namespace="default")
    assert "status" not in made and made["metadata"]["generation"] == 1
    made["status"] = {"replicas": 2, "selector": "app=x"}
    made["spec"]["replicas"] = 9
    written = await client.update(CRONTABS, made, subresource="status")
    assert written["spec"]["replicas"] == 2 and written["metadata"]["generation"] == 1
    scale = await client.get(CRONTABS, "a", namespace="default", subresource="scale")
    assert scale["spec"] == {"replicas": 2} and scale["status"] == {"replicas": 2, "selector": "app=x"}
    scale["spec"]["replicas"] = 4
    await client.update(CRONTABS, scale, subresource="scale")
    found = await client.get(CRONTABS, "a", namespace="default")
    assert found["spec"]["replicas"] == 4 and found["metadata"]["generation"] == 2
    with pytest.raises(
        Invalid, match=r"metadata\.resourceVersion: Invalid value: 0x0: must be specified for an update"
    ):
        await client.update(CRONTABS, crontab(), namespace="default")


async def test_patches_of_custom_resources(client: ApiClient) -> None:
    await client.create(CRONTABS, crontab(), namespace="default")
    patch = {"spec": {"replicas": 3}}
    patched = await client.patch(CRONTABS, "a", patch, PatchType.MERGE, namespace="default")
    assert patched["spec"]["replicas"] == 3
    with pytest.raises(UnsupportedMediaType):
        await client.patch(CRONTABS, "a", patch, PatchType.STRATEGIC, namespace="default")
    config = {"apiVersion": "stable.example.com/v1", "kind": "CronTab", **crontab(image="mine")}
    applied = await client.patch(
        CRONTABS, "a", config, PatchType.APPLY, namespace="default", field_manager="x", force=True
    )
    assert applied["spec"] == {"cronSpec": "* *", "image": "mine", "replicas": 3}


async def test_every_served_version_shows_the_same_object(client: ApiClient) -> None:
    made = await client.create(CRONTABS, crontab(), namespace="default")
    other = await client.get(BETA, "a", namespace="default")
    assert other == {**made, "apiVersion": "stable.example.com/v1beta1"}
    assert (await client.list(BETA)).items[0]["apiVersion"] == "stable.example.com/v1beta1"
    other["spec"]["image"] = "new"
    await client.update(BETA, other)
    assert (await client.get(CRONTABS, "a", namespace="default"))["spec"]["image"] == "new"
    async for event in client.watch(BETA, namespace="default"):
        assert event.object["apiVersion"] == "stable.example.com/v1beta1"
        break


async def test_columns_and_selectable_fields(client: ApiClient) -> None:
    await client.create(CRONTABS, crontab("a", image="x"), namespace="default")
    await client.create(CRONTABS, crontab("b"), namespace="default")
    table = await client.list_document(CRONTABS, field_selector="spec.image=x", representation=Representation.TABLE)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Spec"]
    assert [row["cells"] for row in table["rows"]] == [["a", "* *"]]


async def test_names_are_taken_once(server: Server, client: ApiClient) -> None:
    await client.create(DEFINITIONS, definition("others", "CronTab", short="ct"))
    await settled(server)
    found = await client.get(DEFINITIONS, "others.stable.example.com")
    condition = conditions.get(found, "NamesAccepted")
    assert condition is not None and condition["status"] == "False"
    assert not conditions.is_true(found, "Established")
    with pytest.raises(NotFound):
        await client.list(GVR("stable.example.com", "v1", "others"))


async def test_a_changed_definition_counts_at_once(server: Server, client: ApiClient) -> None:
    await client.create(CRONTABS, crontab(), namespace="default")
    found = await client.get(DEFINITIONS, NAME)
    properties = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["color"] = {"type": "string", "default": "blue"}
    changed = await client.update(DEFINITIONS, found)
    assert changed["metadata"]["generation"] == 2
    await settled(server)
    found = await client.get(CRONTABS, "a", namespace="default")
    assert found["spec"]["color"] == "blue"  # older objects get the default when they are read


async def test_a_deleted_definition_takes_its_objects_along(server: Server, client: ApiClient) -> None:
    held = crontab("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await client.create(CRONTABS, held, namespace="default")
    await client.create(CRONTABS, crontab("free"), namespace="default")
    ending = await client.delete(DEFINITIONS, NAME)
    assert conditions.is_true(ending, "Terminating")
    await settled(server)
    assert [each["metadata"]["name"] for each in (await client.list(CRONTABS)).items] == ["held"]
    with pytest.raises(MethodNotAllowed):
        await client.create(CRONTABS, crontab("new"), namespace="default")
    assert (await client.get(DEFINITIONS, NAME))["metadata"]["deletionTimestamp"]
    release = {"metadata": {"finalizers": None}}
    await client.patch(CRONTABS, "held", release, PatchType.MERGE, namespace="default")
    await settled(server)
    with pytest.raises(NotFound):
        await client.list(CRONTABS)
    with pytest.raises(NotFound):
        await client.get(DEFINITIONS, NAME)


async def test_a_schema_must_be_structural(server: Server) -> None:
    bad = definition()
    bad["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = {"properties": {}}
    with pytest.raises(Invalid, match=r"openAPIV3Schema\.properties\[spec\]\.type: Required value: must not be empty"):
        await server.client().create(DEFINITIONS, bad)


async def test_a_restarted_server_serves_what_was_defined(server: Server, client: ApiClient) -> None:
    await client.create(CRONTABS, crontab(), namespace="default")
    async with serving(etcd=server.store) as later:
        assert len((await later.client().list(CRONTABS)).items) == 1
