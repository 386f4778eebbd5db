"""OpenAPI v3 documents: what kubectl looks for in them."""

from __future__ import annotations

from typing import Any

import orjson

from machinery.objects.gvk import GVK
from machinery.schema import openapi
from machinery.schema.definitions import references

KIND = GVK("apps", "v1", "Deployment")
ROW = openapi.Resource(
    "deployments", KIND, True, "io.k8s.api.apps.v1.Deployment", ("get", "list", "create", "update", "patch", "delete"),
    subresources={"scale": ("get", "update", "patch")},
)  # fmt: skip


def _targets(document: Any) -> set[str]:
    return {name.removeprefix("#/components/schemas/") for name in references(document)}


def test_document_of_a_group() -> None:
    document = openapi.document("apps", "v1", [ROW])
    schemas = document["components"]["schemas"]
    assert _targets(document) <= schemas.keys()
    spec = schemas["io.k8s.api.apps.v1.DeploymentSpec"]
    assert spec["properties"]["replicas"]["type"] == "integer"
    assert spec["properties"]["replicas"]["description"].startswith("Number of desired pods")
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    item = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    assert {each["name"] for each in item["patch"]["parameters"]} >= {"fieldValidation", "dryRun"}
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert item["patch"]["x-kubernetes-group-version-kind"] == kind
    assert "/apis/apps/v1/deployments" in document["paths"]
    assert set(document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]) == {
        "parameters", "get", "put", "patch",
    }  # fmt: skip
    assert orjson.loads(openapi.encode(document)) == document


def test_core_group_lives_under_api() -> None:
    row = openapi.Resource("nodes", GVK("", "v1", "Node"), False, "io.k8s.api.core.v1.Node", ("get", "list"))
    document = openapi.document("", "v1", [row])
    assert list(document["paths"]) == ["/api/v1/nodes", "/api/v1/nodes/{name}"]


def test_custom_resources_bring_their_schema() -> None:
    structural = {"type": "object", "properties": {"spec": {"type": "object", "description": "what"}}}
    row = openapi.Resource("xs", GVK("g.io", "v1", "X"), True, "io.g.v1.X", ("get", "patch"), structural=structural)
    document = openapi.document("g.io", "v1", [row])
    schema = document["components"]["schemas"]["io.g.v1.X"]
    assert schema["properties"]["spec"] == {"type": "object", "description": "what"}
    assert _targets(document) <= document["components"]["schemas"].keys()


def test_fingerprint_changes_with_the_resources() -> None:
    other = openapi.Resource("xs", GVK("g.io", "v1", "X"), True, "io.g.v1.X", structural={"type": "object"})
    assert openapi.fingerprint([ROW]) == openapi.fingerprint([ROW])
    assert openapi.fingerprint([ROW]) != openapi.fingerprint([ROW, other])
    assert openapi.index({"apis/apps/v1": "AB"}) == {
        "paths": {"apis/apps/v1": {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=AB"}}
    }
