"""Documents by path: discovery, OpenAPI, health, metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from actors import VirtualClock
from apiserver.auth.config import AuthConfig
from apiserver.auth.service import Auth
from apiserver.documents.discovery import Discovery, wants_aggregated
from apiserver.documents.health import Health
from apiserver.documents.metrics import Metrics, Series
from apiserver.documents.openapi import OpenApi
from apiserver.documents.service import Documents
from apiserver.resources.lookup import Resources
from apiserver.resources.registry import RESOURCES
from apiserver.resources.spec import ResourceSpec, SubresourceSpec
from apiserver.resources.strategy import Strategy
from apiserver.verbs.context import UserInfo
from machinery.errors import Forbidden, NotAcceptable, NotFound
from machinery.objects.gvk import GVR
from tests.support.caches import MemoryCaches

ROOT = UserInfo("root", ("system:masters",))
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
WIDGET = ResourceSpec(
    gvr=GVR("example.com", "v1", "widgets"),
    kind="Widget",
    singular="widget",
    namespaced=True,
    strategy=Strategy(),
    structural={
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    },
    storage="example.com/widgets",
    subresources={"status": SubresourceSpec("status")},
)


class World:
    def __init__(self) -> None:
        self.resources = Resources(RESOURCES.values())
        self.health, self.metrics = Health(), Metrics()
        auth = Auth(AuthConfig(), caches=MemoryCaches(), clock=VirtualClock())
        self.documents = Documents(
            authorizer=auth.authorizer,
            discovery=Discovery(self.resources, address=lambda: "10.0.0.1:6443"),
            openapi=OpenApi(self.resources),
            health=self.health,
            metrics=self.metrics,
            tokens=auth.tokens,
        )

    async def json(self, target: str, accept: str = "") -> Any:
        return orjson.loads((await self.documents.get(ROOT, target, accept=accept)).body)

    async def text(self, target: str) -> tuple[int, str]:
        document = await self.documents.get(ROOT, target)
        return document.status, document.body.decode()


async def test_version() -> None:
    version = await World().json("/version")
    assert (version["major"], version["minor"], version["gitVersion"]) == ("1", "37", "v1.37.0+pilothouse")
    assert all(isinstance(value, str) for value in version.values())


async def test_plain_discovery() -> None:
    world = World()
    assert (await world.json("/api"))["versions"] == ["v1"]
    groups = {group["name"]: group for group in (await world.json("/apis"))["groups"]}
    assert groups["apps"]["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    assert await world.json("/apis/apps") == {"kind": "APIGroup", "apiVersion": "v1", **groups["apps"]}
    listed = {each["name"]: each for each in (await world.json("/apis/apps/v1"))["resources"]}
    deployments = listed["deployments"]
    assert deployments["shortNames"] == ["deploy"]
    assert deployments["namespaced"] is True
    assert "watch" in deployments["verbs"]
    assert listed["deployments/scale"]["kind"] == "Scale"
    assert (listed["deployments/scale"]["group"], listed["deployments/scale"]["version"]) == ("autoscaling", "v1")


async def test_aggregated_discovery() -> None:
    world = World()
    document = await world.documents.get(ROOT, "/apis", accept=AGGREGATED)
    assert document.content_type == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    groups = {item["metadata"]["name"]: item for item in orjson.loads(document.body)["items"]}
    assert "" not in groups
    (apps,) = groups["apps"]["versions"]
    (deployments,) = (each for each in apps["resources"] if each["resource"] == "deployments")
    assert deployments["scope"] == "Namespaced"
    assert deployments["responseKind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert [each["subresource"] for each in deployments["subresources"]] == ["scale", "status"]
    (core,) = (await world.json("/api", AGGREGATED))["items"]
    assert core["versions"][0]["version"] == "v1"


async def test_discovery_follows_the_rows() -> None:
    world = World()
    before = await world.documents.get(ROOT, "/apis", accept=AGGREGATED)
    assert (await world.documents.get(ROOT, "/apis", accept=AGGREGATED)) is before
    world.resources.serve("widgets.example.com", [WIDGET])
    after = await world.documents.get(ROOT, "/apis", accept=AGGREGATED)
    assert after.etag != before.etag
    listed = await world.json("/apis/example.com/v1")
    assert [each["name"] for each in listed["resources"]] == ["widgets", "widgets/status"]
    world.resources.serve("widgets.example.com", [])
    with pytest.raises(NotFound):
        await world.json("/apis/example.com/v1")


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        (AGGREGATED, "v2"),
        ("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json", "v2beta1"),
        ("application/json," + AGGREGATED, ""),
        ("application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList,application/json", ""),
        ("application/vnd.kubernetes.protobuf", ""),
        ("", ""),
    ],
)
def test_who_wants_aggregated_discovery(accept: str, version: str) -> None:
    assert wants_aggregated(accept) == version


def resolves(document: Any, prefix: str, schemas: Any) -> None:
    """Every reference points at a schema that is there."""
    if isinstance(document, dict):
        target = document.get("$ref")
        assert not isinstance(target, str) or target.removeprefix(prefix) in schemas, target
        for value in document.values():
            resolves(value, prefix, schemas)
    elif isinstance(document, list):
        for value in document:
            resolves(value, prefix, schemas)


async def test_openapi_v3_of_every_group() -> None:
    world = World()
    index = (await world.json("/openapi/v3"))["paths"]
    assert index["apis/apps/v1"]["serverRelativeURL"].startswith("/openapi/v3/apis/apps/v1?hash=")
    for each in index.values():
        document = await world.json(each["serverRelativeURL"])
        resolves(document, "#/components/schemas/", document["components"]["schemas"])


async def test_openapi_v3_says_what_kubectl_looks_for() -> None:
    document = await World().json("/openapi/v3/apis/apps/v1")
    item = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert item["patch"]["x-kubernetes-group-version-kind"] == kind
    assert {"fieldValidation", "dryRun"} <= {each["name"] for each in item["patch"]["parameters"]}
    schema = document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"]
    assert schema["x-kubernetes-group-version-kind"] == [kind]
    assert schema["properties"]["spec"]["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"}]
    assert schema["description"]
    port = document["components"]["schemas"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]
    assert port["oneOf"] == [{"type": "integer"}, {"type": "string"}]


async def test_openapi_of_a_custom_resource() -> None:
    world = World()
    world.resources.serve("widgets.example.com", [WIDGET])
    hashed = (await world.json("/openapi/v3"))["paths"]["apis/example.com/v1"]
    document = await world.json("/openapi/v3/apis/example.com/v1")
    schema = document["components"]["schemas"]["com.example.v1.Widget"]
    assert schema["properties"]["spec"]["properties"]["size"] == {"type": "integer"}
    assert schema["properties"]["metadata"]["allOf"]
    patch = document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    resolves(document, "#/components/schemas/", document["components"]["schemas"])
    world.resources.serve("widgets.example.com", [replace(WIDGET, structural={"type": "object"})])
    assert (await world.json("/openapi/v3"))["paths"]["apis/example.com/v1"] != hashed


async def test_openapi_v2_in_both_encodings() -> None:
    world = World()
    document = await world.json("/openapi/v2")
    assert document["swagger"] == "2.0"
    resolves(document, "#/definitions/", document["definitions"])
    asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    packed = await world.documents.get(ROOT, "/openapi/v2", accept=asked)
    assert packed.content_type == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    assert packed.body.startswith(b"\x0a\x032.0")
    with pytest.raises(NotAcceptable):
        await world.documents.get(ROOT, "/openapi/v2", accept="text/html")


async def test_health() -> None:
    world = World()
    wrong = ""

    async def check() -> str:
        return wrong

    world.health.register("store", check)
    world.health.register("loop", check, live=True)
    assert await world.text("/readyz") == (200, "ok")
    assert await world.text("/readyz?verbose") == (
        200, "[+]ping ok\n[+]store ok\n[+]loop ok\nreadyz check passed\n",
    )  # fmt: skip
    wrong = "it burns"
    status, text = await world.text("/readyz")
    assert status == 500
    assert "[-]store failed: reason withheld\n" in text
    assert "burns" not in text
    assert (await world.text("/livez?exclude=loop"))[0] == 200
    assert (await world.text("/livez"))[0] == 500
    assert (await world.text("/readyz/store"))[0] == 500
    assert await world.text("/readyz/ping") == (200, "ok")
    with pytest.raises(NotFound):
        await world.text("/readyz/moon")
    with pytest.raises(ValueError, match="store"):
        world.health.register("store", check)


async def test_metrics() -> None:
    world = World()
    pods = Series("LIST", "", "v1", "pods", "", "namespace")
    for seconds in (0.001, 0.3):
        world.metrics.observe(pods, 200, seconds)
    world.metrics.observe(Series("WATCH", "", "v1", "pods", "", "cluster"), 200, 100.0, long_running=True)
    world.metrics.gauge("cows", "Cows.", lambda: {(("colour", 'b"w'),): 2})
    status, text = await world.text("/metrics")
    assert status == 200
    labels = 'verb="LIST",group="",version="v1",resource="pods",subresource="",scope="namespace"'
    assert f'apiserver_request_total{{code="200",{labels}}} 2' in text
    assert f'apiserver_request_duration_seconds_bucket{{{labels},le="0.005"}} 1' in text
    assert f'apiserver_request_duration_seconds_bucket{{{labels},le="+Inf"}} 2' in text
    assert f"apiserver_request_duration_seconds_count{{{labels}}} 2" in text
    assert 'apiserver_request_duration_seconds_count{verb="WATCH"' not in text
    assert 'cows{colour="b\\"w"} 2' in text


async def test_paths_are_authorized_and_unknown_ones_are_not_there() -> None:
    world = World()
    nobody = UserInfo("nobody", ())
    with pytest.raises(Forbidden, match='User "nobody" cannot get path "/metrics"'):
        await world.documents.get(nobody, "/metrics?x=1")
    for path in ("/nothing", "/apis/none", "/api/v2", "/openapi/v3/apis/none/v1"):
        with pytest.raises(NotFound):
            await world.documents.get(ROOT, path)
    assert "/apis/apps/v1" in (await world.json("/"))["paths"]
