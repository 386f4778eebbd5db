"""The REST edge as clients meet it: a real server over TLS, and every kind of answer."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import orjson
import pytest
import yaml

from machinery.client.api import DeleteOptions, PatchType, Representation
from machinery.client.resources import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS
from machinery.client.rest import RestClient
from machinery.errors import Conflict, Forbidden, NotFound, ServiceUnavailable, Unauthorized
from machinery.objects.gvk import GVR
from machinery.pki.tls import client_context
from tests.support.apiserver import plane
from tests.support.rest import World

CLUSTER_ROLES = GVR("rbac.authorization.k8s.io", "v1", "clusterroles")
MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def config_map(name: str, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def test_an_objects_life(world: World) -> None:
    client = world.client
    made = await client.create(CONFIG_MAPS, config_map("a", x="1"))
    assert made["metadata"]["uid"]
    made["data"] = {"x": "2"}
    changed = await client.update(CONFIG_MAPS, made)
    with pytest.raises(Conflict, match="the object has been modified"):
        await client.update(CONFIG_MAPS, made)
    patched = await client.patch(CONFIG_MAPS, "a", {"data": {"y": "3"}}, PatchType.MERGE, namespace="default")
    assert patched["data"] == {"x": "2", "y": "3"}
    assert patched["metadata"]["resourceVersion"] != changed["metadata"]["resourceVersion"]
    applied = await client.patch(
        CONFIG_MAPS, "a", config_map("a", z="4"), PatchType.APPLY, namespace="default", field_manager="me", force=True
    )
    assert applied["data"]["z"] == "4"
    page = await client.list(CONFIG_MAPS, namespace="default", field_selector="metadata.name=a")
    assert [item["kind"] for item in page.items] == ["ConfigMap"]
    answer = await client.delete(
        CONFIG_MAPS, "a", namespace="default", options=DeleteOptions(uid=made["metadata"]["uid"])
    )
    assert answer["status"] == "Success"
    with pytest.raises(NotFound, match='configmaps "a" not found'):
        await client.get(CONFIG_MAPS, "a", namespace="default")


async def test_dry_run_changes_nothing(world: World) -> None:
    await world.client.create(CONFIG_MAPS, config_map("a"), dry_run=True)
    with pytest.raises(NotFound):
        await world.client.get(CONFIG_MAPS, "a", namespace="default")


async def test_pages(world: World) -> None:
    for name in "abcde":
        await world.client.create(CONFIG_MAPS, config_map(name))
    found: list[str] = []
    token = ""
    while True:
        page = await world.client.list(CONFIG_MAPS, namespace="default", limit=2, continue_token=token)
        found += [item["metadata"]["name"] for item in page.items]
        token = page.continue_token
        if not token:
            break
    assert found == list("abcde")


async def test_a_watch_tells_what_happens_and_a_stop_ends_it_in_order(world: World) -> None:
    page = await world.client.list(CONFIG_MAPS, namespace="default")
    seen: list[tuple[str, str]] = []

    async def watch() -> str:
        events = world.client.watch(CONFIG_MAPS, namespace="default", resource_version=page.resource_version)
        async for event in events:
            seen.append((event.type, event.object["metadata"]["name"]))
            if len(seen) == 3:
                await world.server.server._rest.teardown()  # type: ignore[union-attr]  # what a stop of the server does
        return "ended"

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        other = world.server.client()
        await other.create(CONFIG_MAPS, config_map("a"))
        await other.patch(CONFIG_MAPS, "a", {"data": {"k": "v"}}, PatchType.MERGE, namespace="default")
        await other.delete(CONFIG_MAPS, "a", namespace="default")
        await other.close()
        # The answer is complete: a truncated one would have raised.
        assert await watching == "ended"
    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_watch_ends_when_its_time_is_over(world: World) -> None:
    events = world.client.watch(NAMESPACES, timeout_seconds=1, send_initial_events=True, allow_bookmarks=True)
    seen = [event async for event in events]
    assert [event.type for event in seen].count("ADDED") == 4
    marks = [event for event in seen if event.type == "BOOKMARK"]
    assert marks[0].object["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_tables_and_metadata(world: World) -> None:
    await world.client.create(CONFIG_MAPS, config_map("a", x="1"))
    table = await world.client.list_document(CONFIG_MAPS, namespace="default", representation=Representation.TABLE)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    partial = await world.client.get(CONFIG_MAPS, "a", namespace="default", representation=Representation.METADATA)
    assert partial["kind"] == "PartialObjectMetadata"
    assert "data" not in partial
    accept = {"Accept": TABLE.replace("v=v1", "v=v1beta1")}
    _, body = await world.raw("GET", f"{MAPS}?includeObject=None", headers=accept)
    beta = orjson.loads(body)
    assert beta["apiVersion"] == "meta.k8s.io/v1beta1"
    assert beta["rows"][0].get("object") is None


async def test_yaml_in_and_out(world: World) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  on_call: 'yes'\n"
    headers = {"Content-Type": "application/yaml", "Accept": "application/yaml"}
    response, body = await world.raw("POST", MAPS, data=text, headers=headers)
    assert (response.status, response.content_type) == (201, "application/yaml")
    assert yaml.safe_load(body)["data"] == {"on_call": "yes"}


async def test_large_answers_are_compressed_when_the_client_takes_that(world: World) -> None:
    await world.client.create(CONFIG_MAPS, config_map("a", x="1" * 200_000))
    response, body = await world.raw("GET", f"{MAPS}/a", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(orjson.loads(gzip.decompress(body))["data"]["x"]) == 200_000
    response, body = await world.raw("GET", f"{MAPS}/a", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in response.headers
    assert len(body) > 200_000


async def test_warnings(world: World) -> None:
    await world.client.create(CONFIG_MAPS, {**config_map("a"), "colour": "red"}, field_validation="Warn")
    assert world.client.take_warnings() == ['unknown field "colour"']
    assert world.client.take_warnings() == []


BAD = [
    ("POST", MAPS, {"data": b"{"}, (400, "BadRequest")),
    ("POST", MAPS, {"data": b"[]"}, (400, "BadRequest")),
    ("POST", MAPS, {"data": b"a: [", "headers": {"Content-Type": "application/yaml"}}, (400, "BadRequest")),
    ("POST", MAPS, {"data": b"x", "headers": {"Content-Type": "text/plain"}}, (415, "UnsupportedMediaType")),
    ("POST", MAPS, {"data": b"k8s?", "headers": {"Content-Type": "application/vnd.kubernetes.protobuf"}},
     (400, "BadRequest")),
    ("POST", MAPS, {"data": b"x" * (3 * 1024 * 1024 + 1)}, (413, "RequestEntityTooLarge")),
    ("POST", f"{MAPS}/name", {"data": b"{}"}, (405, "MethodNotAllowed")),
    ("PUT", MAPS, {"data": b"{}"}, (405, "MethodNotAllowed")),
    ("POST", "/api/v1/configmaps", {"data": b"{}"}, (405, "MethodNotAllowed")),
    ("PATCH", f"{MAPS}/a", {"data": b"{}", "headers": {"Content-Type": "application/json"}},
     (415, "UnsupportedMediaType")),
    ("GET", MAPS, {"headers": {"Accept": "text/html"}}, (406, "NotAcceptable")),
    ("GET", f"{MAPS}?limit=x", {}, (400, "BadRequest")),
    ("GET", f"{MAPS}?labelSelector=a%3D%3D%3Db", {}, (400, "BadRequest")),
    ("GET", f"{MAPS}?timeout=soon", {}, (400, "BadRequest")),
    ("GET", f"{MAPS}?continue=rubbish", {}, (400, "BadRequest")),
    ("DELETE", f"{MAPS}/a?dryRun=Perhaps", {}, (422, "Invalid")),
    ("DELETE", f"{MAPS}/a", {"data": b"{"}, (400, "BadRequest")),
    ("DELETE", f"{MAPS}/a", {"data": b'{"kind":"Pod"}'}, (400, "BadRequest")),
    ("POST", f"{MAPS}?fieldValidation=Never", {"data": b"{}"}, (422, "Invalid")),
    ("POST", "/version", {}, (405, "MethodNotAllowed")),
    ("POST", "/api/v1/namespaces/default/pods/a/exec?command=ls", {}, (501, "NotImplemented")),
    ("GET", "/api/v1/nodes/n/proxy/stats", {}, (501, "NotImplemented")),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "more", "expected"), BAD, ids=[f"{c[0]} {c[1]} {c[3][0]}" for c in BAD])
async def test_bad_requests_get_a_status(
    world: World, method: str, path: str, more: dict[str, Any], expected: tuple[int, str]
) -> None:
    code, reason, message = await world.status(method, path, **more)
    assert (code, reason) == expected
    assert message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/v1/widgets",
        "/apis/none/v1/x",
        "/api/v1/namespaces/default/nodes",
        "/api/v1/pods/name",
        "/apis/x",
    ],
)
async def test_nothing_is_there(world: World, path: str) -> None:
    response, body = await world.raw("GET", path)
    assert (response.status, body) == (404, b"404 page not found\n")
    with pytest.raises(NotFound, match="could not find the requested resource"):
        await world.client.document(path)


async def test_every_answer_has_an_audit_id(world: World) -> None:
    response, _ = await world.raw("GET", MAPS, headers={"Audit-ID": "mine"})
    assert response.headers["Audit-Id"] == "mine"
    response, _ = await world.raw("GET", "/nothing")
    assert len(response.headers["Audit-Id"]) == 36


async def test_who_may_what(world: World) -> None:
    alice = world.server.token_client("token-of-alice")
    with pytest.raises(Forbidden) as caught:
        await alice.list(CONFIG_MAPS, namespace="default")
    assert caught.value.message == (
        'configmaps is forbidden: User "alice" cannot list resource "configmaps" in API group "" '
        'in the namespace "default"'
    )
    assert caught.value.details == {"kind": "configmaps"}
    await alice.document("/apis")
    nobody, wrong = world.server.token_client(""), world.server.token_client("wrong")
    await nobody.document("/version")
    with pytest.raises(Forbidden, match='User "system:anonymous" cannot list resource "configmaps"'):
        await nobody.list(CONFIG_MAPS)
    with pytest.raises(Unauthorized):
        await wrong.document("/version")
    for client in (alice, nobody, wrong):
        await client.close()


async def test_impersonation(world: World) -> None:
    response, body = await world.raw("GET", MAPS, headers={"Impersonate-User": "carol"})
    assert response.status == 403
    assert 'User \\"carol\\" cannot list' in body.decode()
    await world.client.create(
        GVR("rbac.authorization.k8s.io", "v1", "clusterrolebindings"),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "carol"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "carol"}],
        },
    )  # fmt: skip
    response, _ = await world.raw("GET", MAPS, headers={"Impersonate-User": "carol"})
    assert response.status == 200


async def test_a_service_accounts_token(world: World) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "default"}}
    await world.client.create(SERVICE_ACCOUNTS, account)
    answer = await world.client.create(
        SERVICE_ACCOUNTS, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        namespace="default", name="robot", subresource="token",
    )  # fmt: skip
    robot = world.server.token_client(answer["status"]["token"])
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    me = await robot.create(GVR("authentication.k8s.io", "v1", "selfsubjectreviews"), review)
    assert me["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"
    keys = orjson.loads(await robot.document("/openid/v1/jwks"))["keys"]
    assert keys[0]["use"] == "sig"
    await world.client.delete(SERVICE_ACCOUNTS, "robot", namespace="default")
    with pytest.raises(Unauthorized):
        await robot.document("/version")
    await robot.close()


async def test_aggregated_roles_follow_their_parts(world: World) -> None:
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    rule = {"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["widgets"]}
    part = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "widgets", "labels": labels}, "rules": [rule],
    }  # fmt: skip
    await world.client.create(CLUSTER_ROLES, part)
    async with asyncio.timeout(10):
        events = world.client.watch(CLUSTER_ROLES, field_selector="metadata.name=admin")
        async for event in events:
            if rule in event.object["rules"]:
                break


async def test_documents_are_remembered_by_their_tag(world: World) -> None:
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    response, _ = await world.raw("GET", "/apis", headers=accept)
    assert response.headers["Vary"] == "Accept"
    response, body = await world.raw("GET", "/apis", headers={**accept, "If-None-Match": response.headers["ETag"]})
    assert (response.status, body) == (304, b"")


async def test_an_address_with_a_hash_has_one_content_for_ever(world: World) -> None:
    _, body = await world.raw("GET", "/openapi/v3")
    path = orjson.loads(body)["paths"]["apis/apps/v1"]["serverRelativeURL"]
    response, _ = await world.raw("GET", path)
    assert response.headers["Cache-Control"] == "public, immutable"
    assert response.headers["Expires"].endswith("GMT")
    assert response.headers["ETag"].strip('"') == path.partition("hash=")[2]
    response, _ = await world.raw("GET", f"{path.partition('=')[0]}=OLD", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (301, path)
    response, _ = await world.raw("GET", path.partition("?")[0])
    assert response.headers["Cache-Control"] == "public"


async def test_health_and_metrics_are_served(world: World) -> None:
    assert await world.client.document("/readyz") == b"ok"
    assert b"[+]etcd ok" in await world.client.document("/livez?verbose") or b"etcd" in await world.client.document(
        "/readyz?verbose"
    )
    await world.client.list(CONFIG_MAPS)
    metrics = (await world.client.document("/metrics")).decode()
    assert 'resource="configmaps"' in metrics
    assert "apiserver_current_inflight_requests" in metrics


async def test_a_foreign_certificate_does_not_get_in(world: World) -> None:
    async with plane() as other:
        pair = other.certificate("admin", "system:masters")
        context = client_context(ca=world.server.authority.pair.certificate, certificate=pair.certificate, key=pair.key)
        client = RestClient(world.server.url, context=context)
        with pytest.raises(ServiceUnavailable):
            await client.document("/version")
        await client.close()
