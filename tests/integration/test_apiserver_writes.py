"""Creating, replacing, patching, applying and deleting through the verbs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from actors import VirtualClock
from machinery.client.api import DeleteOptions, PatchType
from machinery.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    NotImplementedByServer,
)
from machinery.objects.gvk import GVR
from tests.support.inprocess import (
    CONFIGMAPS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PODS,
    Server,
    configmap,
    deployment,
    pod,
    serving,
)

EVENTS = GVR("", "v1", "events")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


async def test_what_the_server_fills_in(on_every_store: Server) -> None:
    client = on_every_store.client()
    made = await client.create(CONFIGMAPS, {"metadata": {"generateName": "a-"}}, namespace="default")
    metadata = made["metadata"]
    assert metadata["name"].startswith("a-") and len(metadata["name"]) == 7
    assert metadata["namespace"] == "default" and metadata["uid"] and metadata["creationTimestamp"]
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")
    assert await client.get(CONFIGMAPS, metadata["name"], namespace="default") == made


async def test_a_name_is_taken_once(on_every_store: Server) -> None:
    client = on_every_store.client()
    await client.create(CONFIGMAPS, configmap("a"))
    with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
        await client.create(CONFIGMAPS, configmap("a"))
    with pytest.raises(AlreadyExists):
        await client.create(CONFIGMAPS, configmap("a"), dry_run=True)


async def test_a_dry_run_leaves_nothing(on_every_store: Server) -> None:
    client = on_every_store.client()
    tried = await client.create(CONFIGMAPS, configmap("a"), dry_run=True)
    assert tried["metadata"]["uid"] and "resourceVersion" not in tried["metadata"]
    with pytest.raises(NotFound, match='configmaps "a" not found'):
        await client.get(CONFIGMAPS, "a", namespace="default")
    made = await client.create(CONFIGMAPS, configmap("a", x="1"))
    changed = await client.patch(
        CONFIGMAPS, "a", {"data": {"x": "2"}}, PatchType.MERGE, namespace="default", dry_run=True
    )
    assert changed["data"] == {"x": "2"}
    await client.delete(CONFIGMAPS, "a", namespace="default", options=DeleteOptions(dry_run=True))
    assert await client.get(CONFIGMAPS, "a", namespace="default") == made


@pytest.mark.parametrize(
    ("obj", "error", "message"),
    [
        (configmap("a", namespace="kube-system"), BadRequest, "does not match the namespace sent on the request"),
        (
            {"apiVersion": "apps/v1", "kind": "ConfigMap"},
            BadRequest,
            r"the API version in the data \(apps/v1\) does not",
        ),
        ({"metadata": {"name": "A_B"}}, Invalid, 'ConfigMap "A_B" is invalid: metadata.name: Invalid value: "A_B"'),
        ({"metadata": {}}, Invalid, "name or generateName is required"),
        (configmap("a", x="y" * (2**20 + 1)), Invalid, r"\[\]: Too long: may not be more than 1048576 bytes"),
        ({"metadata": {"name": "a", "resourceVersion": "7"}}, BadRequest, "resourceVersion should not be set"),
        (
            {"metadata": {"name": "a"}, "data": {"x": 1}},
            BadRequest,
            "json: cannot unmarshal number into Go struct field",
        ),
    ],
)
async def test_bad_objects(server: Server, obj: dict[str, Any], error: type[ApiError], message: str) -> None:
    with pytest.raises(error, match=message):
        await server.client().create(CONFIGMAPS, obj, namespace="default")


async def test_malformed_bodies(server: Server) -> None:
    from apiserver.verbs.context import RequestContext, UserInfo

    spec = server.api.resources.find(CONFIGMAPS)
    assert spec is not None
    user = UserInfo("admin", ("system:masters",))
    for body in (b"{", b"[]", b"null", b'"x"'):
        with pytest.raises(BadRequest, match="must be of type ConfigMap"):
            await server.api.verbs.create(RequestContext(spec, "create", user, "default"), body)


async def test_unknown_fields(server: Server) -> None:
    client = server.client()
    obj = {**configmap("a"), "spce": 1}
    with pytest.raises(BadRequest) as caught:
        await client.create(CONFIGMAPS, obj, field_validation="Strict")
    assert caught.value.message == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "spce"'
    )
    made = await client.create(CONFIGMAPS, obj)
    assert "spce" not in made
    assert client.take_warnings() == ['unknown field "spce"']
    await client.update(CONFIGMAPS, {**made, "spce": 1}, field_validation="Ignore")
    assert not client.take_warnings()


async def test_updates_compare_versions(on_every_store: Server) -> None:
    client = on_every_store.client()
    made = await client.create(CONFIGMAPS, configmap("a", x="1"))
    newer = await client.update(CONFIGMAPS, {**made, "data": {"x": "2"}})
    assert newer["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    with pytest.raises(Conflict) as caught:
        await client.update(CONFIGMAPS, {**made, "data": {"x": "3"}})
    assert caught.value.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to '
        "the latest version and try again"
    )
    unconditional = configmap("a", x="4")
    assert (await client.update(CONFIGMAPS, unconditional))["data"] == {"x": "4"}
    with pytest.raises(Conflict, match="UID in precondition: other"):
        await client.update(CONFIGMAPS, {**unconditional, "metadata": {**unconditional["metadata"], "uid": "other"}})
    with pytest.raises(NotFound, match='configmaps "b" not found'):
        await client.update(CONFIGMAPS, configmap("b"))


async def test_an_update_to_the_same_writes_nothing(on_every_store: Server) -> None:
    client = on_every_store.client()
    made = await client.create(CONFIGMAPS, configmap("a", x="1", y="2"))
    again = await client.update(CONFIGMAPS, {**made, "data": {"y": "2", "x": "1"}})
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    patched = await client.patch(CONFIGMAPS, "a", {"data": {"x": "1"}}, PatchType.MERGE, namespace="default")
    assert patched["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_spec_and_status_are_written_apart(on_every_store: Server) -> None:
    client = on_every_store.client()
    made = await client.create(DEPLOYMENTS, {**deployment("web"), "status": {"replicas": 9}})
    assert made["metadata"]["generation"] == 1 and made.get("status", {}).get("replicas") is None
    status = {**made, "spec": {**made["spec"], "replicas": 7}, "status": {"replicas": 1, "observedGeneration": 1}}
    written = await client.update(DEPLOYMENTS, status, subresource="status")
    assert written["status"]["replicas"] == 1 and written["spec"]["replicas"] == 1
    assert written["metadata"]["generation"] == 1
    scaled = {**written, "spec": {**written["spec"], "replicas": 7}, "status": {}}
    written = await client.update(DEPLOYMENTS, scaled)
    assert written["spec"]["replicas"] == 7 and written["status"]["replicas"] == 1
    assert written["metadata"]["generation"] == 2
    managers = {(each["manager"], each.get("subresource", "")) for each in written["metadata"]["managedFields"]}
    assert managers == {("tests", ""), ("tests", "status")}


@pytest.mark.parametrize(
    ("patch_type", "patch", "images"),
    [
        (PatchType.JSON, [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "b"}], ["b"]),
        (PatchType.MERGE, {"spec": {"template": {"spec": {"containers": [{"name": "x", "image": "c"}]}}}}, ["c"]),
        (
            PatchType.STRATEGIC,
            {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "d"}]}}}},
            ["d", "nginx"],
        ),
    ],
)
async def test_patches(server: Server, patch_type: PatchType, patch: Any, images: list[str]) -> None:
    client = server.client()
    await client.create(DEPLOYMENTS, deployment("web"))
    patched = await client.patch(DEPLOYMENTS, "web", patch, patch_type, namespace="default")
    assert sorted(each["image"] for each in patched["spec"]["template"]["spec"]["containers"]) == images
    assert patched["metadata"]["generation"] == 2


async def test_patches_that_do_not_fit(server: Server) -> None:
    client = server.client()
    made = await client.create(CONFIGMAPS, configmap("a", x="1"))

    async def patch(document: Any, patch_type: PatchType = PatchType.JSON) -> None:
        await client.patch(CONFIGMAPS, "a", document, patch_type, namespace="default")

    with pytest.raises(ApiError) as caught:
        await patch([{"op": "test", "path": "/data/x", "value": "2"}])
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    with pytest.raises(BadRequest):
        await patch(b"{")
    with pytest.raises(BadRequest):
        await patch({"op": "add"})
    with pytest.raises(Conflict, match="the object has been modified"):
        await patch({"metadata": {"resourceVersion": "1"}}, PatchType.MERGE)
    with pytest.raises(BadRequest, match="does not match the name on the URL"):
        await patch({"metadata": {"name": "b"}}, PatchType.MERGE)
    assert await client.get(CONFIGMAPS, "a", namespace="default") == made


@pytest.mark.parametrize(
    ("patch_type", "patch", "why"),
    [
        (PatchType.STRATEGIC, {"spec": {"replicas": "x"}}, '"map[spec:map[replicas:x]]": unrecognized type: int32'),
        (PatchType.STRATEGIC, {"metadata": {"labels": {"a": 1}}}, "cannot convert int64 to string"),
        (PatchType.STRATEGIC, {"spec": {"template": "x"}}, "cannot restore struct from: string"),
        (PatchType.STRATEGIC, {"metadata": {"labels": "x"}}, "cannot restore map from string"),
        (PatchType.STRATEGIC, {"speck": 1}, '"map[speck:1]": strict decoding error: unknown field "speck"'),
        (PatchType.MERGE, {"speck": 1}, 'strict decoding error: unknown field "speck"'),
        (PatchType.MERGE, {"spec": {"replicas": "x"}}, "of type int32"),
        (
            PatchType.JSON,
            [{"op": "add", "path": "/spec/paused", "value": "x"}],
            "DeploymentSpec.spec.paused of type bool",
        ),
    ],
)
async def test_patches_that_leave_no_object_of_the_kind(
    server: Server, patch_type: PatchType, patch: Any, why: str
) -> None:
    client = server.client()
    await client.create(DEPLOYMENTS, deployment("web"))
    with pytest.raises(Invalid) as caught:
        await client.patch(DEPLOYMENTS, "web", patch, patch_type, namespace="default", field_validation="Strict")
    (cause,) = caught.value.details["causes"]
    assert cause["field"] == "patch" and cause["message"].startswith("Invalid value: ") and why in cause["message"]


async def test_patches_that_are_no_json(server: Server) -> None:
    client = server.client()
    await client.create(CONFIGMAPS, configmap("a"))
    for body, message in (
        (b'{"data":', "unexpected end of JSON input"),
        (b"{a:1}", "invalid character 'a' looking for beginning of object key string"),
        (b"x", "invalid character 'x' looking for beginning of value"),
    ):
        with pytest.raises(BadRequest) as caught:
            await client.patch(CONFIGMAPS, "a", body, PatchType.STRATEGIC, namespace="default")
        assert caught.value.message == message


async def test_apply(server: Server) -> None:
    client, config = server.client(), configmap("a", x="1", y="1")

    async def apply(obj: dict[str, Any], manager: str, *, force: bool = False) -> dict[str, Any]:
        return await client.patch(
            CONFIGMAPS, "a", obj, PatchType.APPLY, namespace="default", field_manager=manager, force=force
        )

    made = await apply(config, "one")
    assert made["metadata"]["managedFields"][0]["operation"] == "Apply"
    again = await apply(config, "one")
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert (await apply(configmap("a", x="1"), "one"))["data"] == {"x": "1"}
    with pytest.raises(Conflict, match=r'Apply failed with 1 conflict: conflict with "one": \.data\.x') as caught:
        await apply(configmap("a", x="2"), "two")
    assert caught.value.details["causes"][0]["reason"] == "FieldManagerConflict"
    assert (await apply(configmap("a", x="2"), "two", force=True))["data"] == {"x": "2"}
    yaml = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  z: '3'\n"
    written = await client.patch(CONFIGMAPS, "a", yaml, PatchType.APPLY, namespace="default", field_manager="three")
    assert written["data"] == {"x": "2", "z": "3"}
    with pytest.raises(Invalid, match="fieldManager: Required value"):
        await apply(config, "")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"speck": 1}, ".speck: field not declared in schema"),
        ({"replicas": "x"}, ".spec.replicas: expected numeric (int or float), got string"),
        ({"paused": "x"}, ".spec.paused: expected boolean, got &{x}"),
        (
            {"container": {"colour": "red"}},
            '.spec.template.spec.containers[name="web"].colour: field not declared in schema',
        ),
    ],
)
async def test_what_is_applied_must_follow_the_schema(server: Server, change: dict[str, Any], why: str) -> None:
    obj = deployment("web")
    container = {"name": "web", "image": "i", **change.pop("container", {})}
    obj["spec"]["template"]["spec"]["containers"] = [container]
    (obj if "speck" in change else obj["spec"]).update(change)
    with pytest.raises(ApiError) as caught:
        await server.client().patch(
            DEPLOYMENTS, "web", obj, PatchType.APPLY, namespace="default", field_manager="m", field_validation="Ignore"
        )
    assert caught.value.code == 500
    where = "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): "
    assert caught.value.message == where + why


async def test_a_rights_check_comes_before_everything(server: Server) -> None:
    nobody = server.client("bob", "system:authenticated")
    with pytest.raises(Forbidden) as caught:
        await nobody.create(CONFIGMAPS, configmap("a"), namespace="nowhere")
    assert caught.value.message == (
        'configmaps is forbidden: User "bob" cannot create resource "configmaps" in API group "" '
        'in the namespace "nowhere"'
    )
    with pytest.raises(Forbidden, match='in the namespace "default"'):
        await nobody.get(NAMESPACES, "default")


async def test_what_is_not_served(server: Server) -> None:
    client = server.client()
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        await client.list(GVR("", "v1", "nothings"))
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        await client.get(CONFIGMAPS, "a", namespace="default", subresource="status")
    with pytest.raises(MethodNotAllowed):
        await client.list(GVR("authorization.k8s.io", "v1", "subjectaccessreviews"))
    with pytest.raises(NotImplementedByServer, match="componentstatuses is not served"):
        await client.list(GVR("", "v1", "componentstatuses"))
    await client.create(PODS, pod("a", node="n1"))
    with pytest.raises(ApiError) as caught:
        await client.get(PODS, "a", namespace="default", subresource="exec")
    assert caught.value.code in (404, 405, 501)


async def test_finalizers_hold_until_the_last_is_gone(on_every_store: Server) -> None:
    client = on_every_store.client()
    obj = configmap("a")
    obj["metadata"]["finalizers"] = ["example.com/one", "example.com/two"]
    await client.create(CONFIGMAPS, obj)
    answered = await client.delete(CONFIGMAPS, "a", namespace="default")
    assert answered["kind"] == "ConfigMap" and answered["metadata"]["deletionTimestamp"]
    assert answered["metadata"]["deletionGracePeriodSeconds"] == 0
    again = await client.delete(CONFIGMAPS, "a", namespace="default")
    assert again["metadata"]["resourceVersion"] == answered["metadata"]["resourceVersion"]
    change = {"metadata": {"finalizers": ["example.com/two", "example.com/three"]}}
    with pytest.raises(Invalid, match="no new finalizers can be added if the object is being deleted"):
        await client.patch(CONFIGMAPS, "a", change, PatchType.MERGE, namespace="default")
    for left in (["example.com/two"], None):
        change = {"metadata": {"finalizers": left}}
        await client.patch(CONFIGMAPS, "a", change, PatchType.MERGE, namespace="default")
    with pytest.raises(NotFound):
        await client.get(CONFIGMAPS, "a", namespace="default")


@pytest.mark.parametrize(
    ("resource", "obj", "policy", "finalizers"),
    [
        (CONFIGMAPS, configmap("a"), "Foreground", ["foregroundDeletion"]),
        (CONFIGMAPS, configmap("a"), "Orphan", ["orphan"]),
        (CONFIGMAPS, configmap("a"), "Background", None),
        (CONFIGMAPS, configmap("a"), None, None),
        (
            JOBS,
            {"metadata": {"name": "a"}, "spec": {"template": {"spec": {"restartPolicy": "Never",
             "containers": [{"name": "c", "image": "i"}]}}}},
            None,
            ["orphan"],  # batch/v1 keeps its pods unless asked
        ),
    ],
)  # fmt: skip
async def test_propagation(
    server: Server, resource: GVR, obj: dict[str, Any], policy: str | None, finalizers: list[str] | None
) -> None:
    client = server.client()
    await client.create(resource, obj, namespace="default")
    answered = await client.delete(resource, "a", namespace="default", options=DeleteOptions(propagation_policy=policy))
    if finalizers is None:
        assert answered["status"] == "Success" and answered["details"]["name"] == "a"
        return
    assert answered["metadata"]["finalizers"] == finalizers
    answered = await client.delete(
        resource, "a", namespace="default", options=DeleteOptions(propagation_policy="Background")
    )
    assert answered["status"] == "Success"


async def test_preconditions_of_a_deletion(on_every_store: Server) -> None:
    client = on_every_store.client()
    made = await client.create(CONFIGMAPS, configmap("a"))
    with pytest.raises(Conflict, match=r"the UID in the precondition \(x\) does not match the UID in record"):
        await client.delete(CONFIGMAPS, "a", namespace="default", options=DeleteOptions(uid="x"))
    with pytest.raises(Conflict, match=r"the ResourceVersion in the precondition \(1\) does not match"):
        await client.delete(CONFIGMAPS, "a", namespace="default", options=DeleteOptions(resource_version="1"))
    with pytest.raises(Invalid, match='propagationPolicy: Unsupported value: "Never"'):
        await client.delete(CONFIGMAPS, "a", namespace="default", options=DeleteOptions(propagation_policy="Never"))
    options = DeleteOptions(uid=made["metadata"]["uid"], resource_version=made["metadata"]["resourceVersion"])
    await client.delete(CONFIGMAPS, "a", namespace="default", options=options)


async def test_pods_end_gracefully() -> None:
    clock = VirtualClock()
    async with serving(clock=clock) as server:
        client = server.client()
        await client.create(PODS, pod("unbound"))
        assert (await client.delete(PODS, "unbound", namespace="default"))["status"] == "Success"
        await client.create(PODS, pod("a", node="n1"))
        marked = await client.delete(PODS, "a", namespace="default")
        assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
        assert marked["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:30Z"
        sooner = await client.delete(PODS, "a", namespace="default", options=DeleteOptions(grace_period_seconds=5))
        assert sooner["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:05Z"
        later = await client.delete(PODS, "a", namespace="default", options=DeleteOptions(grace_period_seconds=60))
        assert later["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:05Z"
        gone = await client.delete(PODS, "a", namespace="default", options=DeleteOptions(grace_period_seconds=0))
        assert gone["status"] == "Success"
        with pytest.raises(NotFound):
            await client.get(PODS, "a", namespace="default")


async def test_events_are_kept_for_an_hour() -> None:
    clock = VirtualClock()
    async with serving(clock=clock) as server:
        client = server.client()
        for name in ("a", "b"):
            event = {
                "metadata": {"name": name, "namespace": "default"},
                "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
                "reason": "Because",
                "type": "Normal",
            }
            await client.create(EVENTS, event, namespace="default")
        await clock.advance(minutes=50)
        await client.patch(EVENTS, "b", {"count": 2}, PatchType.MERGE, namespace="default")
        await clock.advance(minutes=15)
        page = await client.list(EVENTS, namespace="default")
        assert [item["metadata"]["name"] for item in page.items] == ["b"]


async def test_a_collection_goes_by_selector(on_every_store: Server) -> None:
    client = on_every_store.client()
    for number in range(4):
        await client.create(CONFIGMAPS, configmap(f"c{number}", labels={"even": str(number % 2 == 0).lower()}))
    await client.delete_collection(CONFIGMAPS, namespace="default", label_selector="even=true")
    page = await client.list(CONFIGMAPS, namespace="default")
    assert [item["metadata"]["name"] for item in page.items] == ["c1", "c3"]


async def test_namespaces_end_in_two_steps(on_every_store: Server) -> None:
    client = on_every_store.client()
    made = await client.create(NAMESPACES, {"metadata": {"name": "team"}})
    assert made["spec"]["finalizers"] == ["kubernetes"] and made["status"]["phase"] == "Active"
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}
    await client.create(CONFIGMAPS, configmap("a", namespace="team"))
    ending = await client.delete(NAMESPACES, "team")
    assert ending["status"]["phase"] == "Terminating"
    assert "deletionTimestamp" in ending["metadata"] and "deletionGracePeriodSeconds" not in ending["metadata"]
    with pytest.raises(Forbidden, match="unable to create new content in namespace team because it is being term"):
        await client.create(CONFIGMAPS, configmap("b", namespace="team"))
    ending["spec"]["finalizers"] = []
    await client.update(NAMESPACES, ending, subresource="finalize")
    with pytest.raises(NotFound):
        await client.get(NAMESPACES, "team")
    with pytest.raises(NotFound, match='namespaces "team" not found'):
        await client.create(CONFIGMAPS, configmap("c", namespace="team"))
    with pytest.raises(Forbidden, match="this namespace may not be deleted"):
        await client.delete(NAMESPACES, "default")


async def test_the_stored_bytes_are_what_was_answered(on_every_store: Server) -> None:
    """One encoding of an object: what the store has, what a get, a list and a watch answer."""
    from apiserver.storage.codec import splice

    client = on_every_store.client()
    made = await client.create(DEPLOYMENTS, deployment("web"))
    found = await on_every_store.etcd.get(b"deployments/default/web")
    assert found is not None
    assert b"resourceVersion" not in found.value
    assert orjson.loads(splice(found.value, found.revision)) == made
