"""Custom resources: served when defined, kept by their schema, emptied before they go."""

from __future__ import annotations

import asyncio
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
PRESERVE = "x-kubernetes-preserve-unknown-fields"
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


async def test_a_name_that_becomes_free_goes_to_who_waits_for_it(server: Server, client: ApiClient) -> None:
    await client.create(DEFINITIONS, definition("others", "CronTab", short="ct"))
    await settled(server)
    await client.delete(DEFINITIONS, NAME)
    await settled(server)
    assert conditions.is_true(await client.get(DEFINITIONS, "others.stable.example.com"), "Established")
    assert (await client.list(GVR("stable.example.com", "v1", "others"))).items == []


async def test_no_definition_is_lost_among_very_many(server: Server) -> None:
    client = server.client()
    loose = {"type": "object", PRESERVE: True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": loose}}
    async with asyncio.TaskGroup() as tasks:
        for n in range(1100):  # more than a mailbox holds, at once
            names = {"plural": f"k{n}s", "kind": f"K{n}"}
            spec = {"group": "many.example.com", "scope": "Cluster", "names": names, "versions": [version]}
            made = {"metadata": {"name": f"k{n}s.many.example.com"}, "spec": spec}
            tasks.create_task(client.create(DEFINITIONS, made))
    await settled(server)
    assert sum(gvr.group == "many.example.com" for gvr in server.api.resources.all()) == 1100


LATER: dict[str, tuple[Any, str]] = {
    "the group": (lambda spec: spec.update(group="other.example.com"),
                  'spec.group: Invalid value: "other.example.com": field is immutable'),
    "the plural": (lambda spec: spec["names"].update(plural="cts"),
                   'spec.names.plural: Invalid value: "cts": field is immutable'),
    "the kind": (lambda spec: spec["names"].update(kind="Cron"),
                 'spec.names.kind: Invalid value: "Cron": field is immutable'),
    "the scope": (lambda spec: spec.update(scope="Cluster"),
                  'spec.scope: Invalid value: "Cluster": field is immutable'),
    "a stored version": (
        lambda spec: spec.update(versions=[{**spec["versions"][1], "storage": True}]),
        'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage'),
    "a schema": (
        lambda spec: spec["versions"][0]["schema"]["openAPIV3Schema"]["properties"].update(bad={"properties": {}}),
        "spec.versions[0].schema.openAPIV3Schema.properties[bad].type: Required value: must not be empty for"),
    "fields to keep": (lambda spec: spec.update(preserveUnknownFields=True),
                       "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set "),
}  # fmt: skip


@pytest.mark.parametrize("what", LATER)
async def test_what_a_definition_may_not_become(client: ApiClient, what: str) -> None:
    change, said = LATER[what]
    found = await client.get(DEFINITIONS, NAME)
    change(found["spec"])
    with pytest.raises(Invalid) as caught:
        await client.update(DEFINITIONS, found)
    assert said in caught.value.message


async def test_another_version_becomes_the_stored_one(server: Server, client: ApiClient) -> None:
    await client.create(CRONTABS, crontab(), namespace="default")
    found = await client.get(DEFINITIONS, NAME)
    found["spec"]["versions"][0]["storage"], found["spec"]["versions"][1]["storage"] = False, True
    changed = await client.update(DEFINITIONS, found)
    assert changed["status"]["storedVersions"] == ["v1", "v1beta1"]
    await settled(server)
    assert (await client.get(CRONTABS, "a", namespace="default"))["spec"]["cronSpec"] == "* *"
    # Once no object is stored as v1 any more, an administrator says so, and the version can go.
    changed = await client.get(DEFINITIONS, NAME)
    changed["status"]["storedVersions"] = ["v1beta1"]
    changed = await client.update(DEFINITIONS, changed, subresource="status")
    del changed["spec"]["versions"][0]
    await client.update(DEFINITIONS, changed)


async def test_groups_of_the_community_need_an_approval(server: Server) -> None:
    client = server.client()
    obj = definition()
    obj["metadata"]["name"], obj["spec"]["group"] = "crontabs.stable.k8s.io", "stable.k8s.io"
    with pytest.raises(Invalid) as caught:
        await client.create(DEFINITIONS, obj)
    assert "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups" in caught.value.message
    obj["metadata"]["annotations"] = {"api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes/pull/1"}
    await client.create(DEFINITIONS, obj)


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
