# ruff: noqa: E501, ISC004 - a line is one message, as upstream words it
"""Bodies that a strict reader objects to, over REST: keys that come twice, in JSON, YAML and every kind of patch."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
import pytest

from machinery.pki.tls import client_context
from tests.support.rest import World

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MAPS = "/api/v1/namespaces/default/configmaps"

JSON = b"""{
  "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
  "spec": {
    "unknown1": "val1", "unknownDupe": "a", "unknownDupe": "b", "paused": true, "paused": false,
    "selector": {"matchLabels": {"app": "web"}},
    "template": {
      "metadata": {"labels": {"app": "web"}},
      "spec": {"containers": [{"name": "c", "image": "i", "imagePullPolicy": "Always", "imagePullPolicy": "Never"}]}
    }
  }
}"""
YAML = b"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  unknown1: val1
  unknownDupe: a
  unknownDupe: b
  paused: true
  paused: false
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: c
        image: i
        imagePullPolicy: Always
        imagePullPolicy: Never
"""
IN_JSON = ['duplicate field "spec.paused"', 'duplicate field "spec.template.spec.containers[0].imagePullPolicy"']
IN_YAML = [
    'line 8: key "unknownDupe" already set in map',
    'line 10: key "paused" already set in map',
    'line 21: key "imagePullPolicy" already set in map',
]
UNKNOWN = ['unknown field "spec.unknown1"', 'unknown field "spec.unknownDupe"']


def warnings(response: Any) -> list[str]:
    """The texts of the Warning headers."""
    texts = [re.fullmatch(r'299 - "(.*)"', header) for header in response.headers.getall("Warning", ())]
    return [text[1].replace('\\"', '"') for text in texts if text]


@pytest.mark.parametrize(("media_type", "body", "twice"), [("json", JSON, IN_JSON), ("yaml", YAML, IN_YAML)])
async def test_a_key_that_comes_twice(world: World, media_type: str, body: bytes, twice: list[str]) -> None:
    headers = {"Content-Type": f"application/{media_type}"}
    code, reason, message = await world.status(
        "POST", f"{DEPLOYMENTS}?fieldValidation=Strict", data=body, headers=headers
    )
    assert (code, reason) == (400, "BadRequest")
    listed = ", ".join(twice) if media_type == "json" else "yaml: unmarshal errors:\n  " + "\n  ".join(twice)
    assert message == (
        'Deployment in version "v1" cannot be handled as a Deployment: '
        f"strict decoding error: {listed}, {', '.join(UNKNOWN)}"
    )
    response, _ = await world.raw(
        "POST", f"{DEPLOYMENTS}?fieldValidation=Ignore&dryRun=All", data=body, headers=headers
    )
    assert (response.status, warnings(response)) == (201, [])
    response, answer = await world.raw("POST", DEPLOYMENTS, data=body, headers=headers)
    assert (response.status, warnings(response)) == (201, [*twice, *UNKNOWN])
    container = orjson.loads(answer)["spec"]["template"]["spec"]["containers"][0]
    assert container["imagePullPolicy"] == "Never"  # the last one counts
    response, _ = await world.raw("PUT", f"{DEPLOYMENTS}/web", data=body, headers=headers)
    assert (response.status, warnings(response)) == (200, [*twice, *UNKNOWN])


MERGE = b'{"data": {"a": "1", "a": "2"}}'
PATCHES = {
    "merge-patch+json": (MERGE, 'duplicate field "data.a"'),
    "strategic-merge-patch+json": (MERGE, 'duplicate field "data.a"'),
    "json-patch+json": (
        b'[{"op": "add", "op": "add", "path": "/data", "value": {"a": "2"}, "why": 1}]',
        'json patch duplicate field "[0].op"',
    ),
}


@pytest.mark.parametrize("media_type", PATCHES)
async def test_a_key_that_comes_twice_in_a_patch(world: World, media_type: str) -> None:
    body, said = PATCHES[media_type]
    more = ['json patch unknown field "[0].why"'] if media_type.startswith("json-patch") else []
    await world.raw("POST", MAPS, data=b'{"metadata": {"name": "a"}}')
    headers = {"Content-Type": f"application/{media_type}"}
    code, reason, message = await world.status("PATCH", f"{MAPS}/a?fieldValidation=Strict", data=body, headers=headers)
    assert (code, reason) == (422, "Invalid")
    assert message.endswith(f"strict decoding error: {', '.join([said, *more])}")
    response, answer = await world.raw("PATCH", f"{MAPS}/a", data=body, headers=headers)
    assert (response.status, warnings(response)) == (200, [said, *more])
    assert orjson.loads(answer)["data"] == {"a": "2"}


APPLIED = [
    b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: x\n  a: y\n",
    b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},\n "data":\n {"a": "x",\n  "a": "y"}}',
]


@pytest.mark.parametrize("text", APPLIED)
async def test_a_key_that_comes_twice_in_an_apply(world: World, text: bytes) -> None:
    headers = {"Content-Type": "application/apply-patch+yaml"}
    path, line = f"{MAPS}/a?fieldManager=me", 6 if text.startswith(b"api") else 4
    answer = await world.status("PATCH", f"{path}&fieldValidation=Strict", data=text, headers=headers)
    assert answer == (400, "BadRequest", (
        "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n"
        f'  line {line}: key "a" already set in map'
    ))  # fmt: skip
    response, body = await world.raw("PATCH", path, data=text, headers=headers)
    assert (response.status, warnings(response)) == (201, [f'line {line}: key "a" already set in map'])
    assert orjson.loads(body)["data"] == {"a": "y"}


async def test_a_key_that_comes_twice_in_a_subresource(world: World) -> None:
    await world.raw("POST", DEPLOYMENTS, data=JSON)
    body = b'{"metadata": {"name": "web"}, "spec": {"replicas": 1, "replicas": 2}}'
    response, _ = await world.raw("PUT", f"{DEPLOYMENTS}/web/scale", data=body)
    assert (response.status, warnings(response)) == (200, ['duplicate field "spec.replicas"'])
    code, _, message = await world.status("PUT", f"{DEPLOYMENTS}/web/scale?fieldValidation=Strict", data=body)
    assert (code, message.partition("strict ")[2]) == (400, 'decoding error: duplicate field "spec.replicas"')


UNREADABLE = [
    ("json", b"{", "couldn't get version/kind; json parse error: unexpected end of JSON input ({)"),
    ("json", b"", "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"),
    ("json", b'{"kind": "ConfigMap", "data": {"a": "b"', (
        'couldn\'t get version/kind; json parse error: unexpected end of JSON input ({"kind": "ConfigMap", "data":  ...)'
    )),
    ("yaml", b"a: [", "yaml: line 1: did not find expected node content (613a205b)"),
    ("yaml", b"kind: ConfigMap\nmetadata: a: b", (
        "yaml: line 2: mapping values are not allowed in this context "
        "(6b696e643a20436f6e6669674d61700a6d657461646174613a20613a2062)"
    )),
]  # fmt: skip


@pytest.mark.parametrize(("media_type", "body", "why"), UNREADABLE)
async def test_a_body_that_cannot_be_read(world: World, media_type: str, body: bytes, why: str) -> None:
    headers = {"Content-Type": f"application/{media_type}"}
    answer = await world.status("POST", MAPS, data=body, headers=headers)
    assert answer == (400, "BadRequest", f"the object provided is unrecognized (must be of type ConfigMap): {why}")


BAD_PATCHES = [
    ("json-patch+json", b"{}", "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
    ("json-patch+json", b"[1]", "json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
    ("json-patch+json", b'[{"op": 1}]',
     "json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string"),
    ("merge-patch+json", b"[]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
]  # fmt: skip


@pytest.mark.parametrize(("media_type", "body", "why"), BAD_PATCHES)
async def test_a_patch_that_is_none(world: World, media_type: str, body: bytes, why: str) -> None:
    await world.raw("POST", MAPS, data=b'{"metadata": {"name": "a"}}')
    headers = {"Content-Type": f"application/{media_type}"}
    answer = await world.status("PATCH", f"{MAPS}/a", data=body, headers=headers)
    assert answer == (400, "BadRequest", f"error decoding patch: {why}")


@pytest.mark.parametrize(
    "operation",
    [{"op": "frobnicate", "path": "/data"}, {"op": "add", "path": "/data"}, {"op": "remove", "path": "data"}],
)
async def test_operations_that_cannot_be_done(world: World, operation: dict[str, Any]) -> None:
    await world.raw("POST", MAPS, data=b'{"metadata": {"name": "a"}}')
    headers = {"Content-Type": "application/json-patch+json"}
    answer = await world.status("PATCH", f"{MAPS}/a", data=orjson.dumps([operation]), headers=headers)
    assert answer == (422, "Invalid", "the server rejected our request due to an error in our request")


async def test_a_patch_of_too_many_operations(world: World) -> None:
    await world.raw("POST", MAPS, data=b'{"metadata": {"name": "a"}}')
    body = orjson.dumps([{"op": "test", "path": "/kind", "value": "ConfigMap"}] * 10_001)
    headers = {"Content-Type": "application/json-patch+json"}
    code, reason, message = await world.status("PATCH", f"{MAPS}/a", data=body, headers=headers)
    assert (code, reason) == (413, "RequestEntityTooLarge")
    assert message.endswith("The allowed maximum operations in a JSON patch is 10000, got 10001")


DEEP = b'{"metadata": {"name": "a"}, "x": ' + b'{"a": ' * 900 + b"1" + b"}" * 901
REFUSED: dict[str, tuple[str, str, bytes, int, str]] = {
    "too deep": ("POST", "json", DEEP, 400, "json parse error: exceeded max depth"),
    "deeper than the stack": ("POST", "json", b"[" * 300_000, 400, "json parse error: exceeded max depth"),
    "deep YAML": ("POST", "yaml", b"[" * 300_000, 400, "yaml: exceeded max depth"),
    "YAML in itself": ("POST", "yaml", b"a: &a [*a]", 400, "yaml: anchor 'a' value contains itself"),
    "a deep apply": ("PATCH", "apply-patch+yaml", b"[" * 300_000, 400, "yaml: exceeded max depth"),
    "a deep patch": ("PATCH", "merge-patch+json", DEEP, 400, "error decoding patch: exceeded max depth"),
    "trailing text": ("POST", "json", b"{} x", 400, "invalid character 'x' after top-level value"),
    "an unknown kind": (
        "POST", "json", b'{"kind": "Foo"}', 400,
        'Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for version "v1" in scheme '
        '"pkg/api/legacyscheme/scheme.go:30"',
    ),
    "another kind": (
        "POST", "json", b'{"kind": "Pod"}', 400,
        'Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion',
    ),
    "metadata that is none": (
        "POST", "json", b'{"metadata": []}', 400,
        "json: cannot unmarshal array into Go struct field ConfigMap.metadata of type v1.ObjectMeta",
    ),
    "an update without a name": (
        "PUT", "json", b'{"data": {}}', 400,
        "the name of the object (a based on URL) was undeterminable: name must be provided",
    ),
    "a patch that takes the name": (
        "PATCH", "json-patch+json", b'[{"op": "remove", "path": "/metadata/name"}]', 400,
        "the name of the object (a based on URL) was undeterminable: name must be provided",
    ),
    "a patch that takes the metadata": (
        "PATCH", "merge-patch+json", b'{"metadata": null}', 400,
        "the name of the object (a based on URL) was undeterminable: name must be provided",
    ),
    "a patch to another kind": (
        "PATCH", "merge-patch+json", b'{"kind": "Pod"}', 422, "converting (v1.Pod) to (core.ConfigMap): unknown conversion"
    ),
    "a patch to another version": (
        "PATCH", "merge-patch+json", b'{"apiVersion": "v2"}', 422, 'no kind "ConfigMap" is registered for version "v2"'
    ),
    "an item without its key": (
        "PATCH", "strategic-merge-patch+json", b'{"metadata": {"ownerReferences": [{"kind": "x"}]}}', 500,
        "map: map[kind:x] does not contain declared merge key: uid",
    ),
    "an apply of nothing": ("PATCH", "apply-patch+yaml", b"", 400, "invalid object type: /, Kind="),
    "an apply of another kind": (
        "PATCH", "apply-patch+yaml", b"{apiVersion: v1, kind: Pod}", 400, "invalid object type: /v1, Kind=Pod"
    ),
    "an apply with managedFields": (
        "PATCH", "apply-patch+yaml", b"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, managedFields: []}}", 400,
        "metadata.managedFields must be nil",
    ),
    "no base64": (
        "PUT", "json", b'{"metadata": {"name": "a"}, "binaryData": {"k": "YQ==!"}}', 400,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: illegal base64 data at input byte 4',
    ),
    "an apply of wrong types and unknown fields": (
        "PATCH", "apply-patch+yaml",
        b"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: 5}, foo: 1, immutable: 'x'}", 500,
        "failed to create typed patch object (/a; /v1, Kind=ConfigMap): errors:\n"
        "  .data.k: expected string, got &value.valueUnstructured{Value:5}\n"
        "  .foo: field not declared in schema\n"
        "  .immutable: expected boolean, got &{x}",
    ),
    "an apply of an item without its key": (
        "PATCH", "apply-patch+yaml",
        b"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, ownerReferences: [{kind: x}]}}", 500,
        '.metadata.ownerReferences: element 0: associative list with keys has an element that omits key field "uid" (and '
        "doesn't have default value)",
    ),
    "an apply of one item twice": (
        "PATCH", "apply-patch+yaml",
        b"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, finalizers: [a/b, a/b]}}", 500,
        '.metadata.finalizers: duplicate entries for key [="a/b"]',
    ),
    "a time of deletion": (
        "PUT", "json", b'{"metadata": {"name": "a", "deletionTimestamp": "2020-01-01T00:00:00Z"}}', 422,
        'metadata.deletionTimestamp: Invalid value: "2020-01-01T00:00:00Z": field is immutable',
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
async def test_bodies_that_are_refused(world: World, what: str) -> None:
    method, media_type, body, code, said = REFUSED[what]
    await world.raw("POST", MAPS, data=b'{"metadata": {"name": "a"}}')
    path = MAPS if method == "POST" else f"{MAPS}/a"
    query = "?fieldManager=me" if media_type.startswith("apply") else ""
    headers = {"Content-Type": f"application/{media_type}"}
    found, _, message = await world.status(method, path + query, data=body, headers=headers)
    assert found == code
    assert said in message


async def test_an_apply_that_names_what_is_not_there(world: World) -> None:
    body = b"{apiVersion: v1, kind: ConfigMap, metadata: {name: b, uid: '1'}}"
    headers = {"Content-Type": "application/apply-patch+yaml"}
    code, reason, message = await world.status("PATCH", f"{MAPS}/b?fieldManager=me", data=body, headers=headers)
    assert (code, reason) == (409, "Conflict")
    assert message.endswith("uid mismatch: the provided object specified uid 1, and no existing object was found")


async def test_copies_of_copies_end_somewhere(world: World) -> None:
    body = {"metadata": {"name": "a"}, "data": {"a": "x" * 1000}}
    await world.raw("POST", MAPS, data=orjson.dumps(body))
    doubling = [{"op": "copy", "from": "/data", "path": f"/data/{n}"} for n in range(40)]
    headers = {"Content-Type": "application/json-patch+json"}
    code, reason, _ = await world.status("PATCH", f"{MAPS}/a", data=orjson.dumps(doubling), headers=headers)
    assert (code, reason) == (422, "Invalid")


async def test_texts_that_are_not_quite_unicode_are_mended(world: World) -> None:
    body = b'{"metadata": {"name": "a"}, "data": {"a": "\xff", "b": "\\ud800"}}'
    response, answer = await world.raw("POST", MAPS, data=body)
    assert response.status == 201
    assert orjson.loads(answer)["data"] == {"a": "\ufffd", "b": "\ufffd"}


async def test_what_an_update_leaves_out_or_says_of_times(world: World) -> None:
    _, answer = await world.raw("POST", MAPS, data=b'{"metadata": {"generateName": "a-"}}')
    made = orjson.loads(answer)["metadata"]
    path = f"{MAPS}/{made['name']}"
    body = {"metadata": {"name": made["name"], "creationTimestamp": "2001-01-01T00:00:00Z"}, "data": {"k": "v"}}
    response, answer = await world.raw("PUT", path, data=orjson.dumps(body))
    assert response.status == 200
    changed = orjson.loads(answer)["metadata"]
    assert (changed["creationTimestamp"], changed["uid"]) == (made["creationTimestamp"], made["uid"])
    assert "generateName" not in changed  # it is the writer's, as labels are


async def test_a_scale_of_another_type(world: World) -> None:
    await world.raw("POST", DEPLOYMENTS, data=JSON)
    headers = {"Content-Type": "application/merge-patch+json"}
    body = b'{"spec": {"replicas": "x"}}'
    code, reason, message = await world.status("PATCH", f"{DEPLOYMENTS}/web/scale", data=body, headers=headers)
    assert (code, reason) == (422, "Invalid")
    assert message.endswith("json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32")


BROKEN = {
    "a length that is no number": b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n{}",
    "no method": b"FOO {path} HTTP/1.1\r\nHost: x\r\n\r\n",
    "a broken chunk": b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "compressed": b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n!!",
}


@pytest.mark.parametrize("what", BROKEN)
async def test_what_is_hardly_http_is_refused_and_no_error_of_ours(
    world: World, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    pair = world.server.certificate("admin", "system:masters")
    context = client_context(ca=world.server.authority.pair.certificate, certificate=pair.certificate, key=pair.key)
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.server.rest_port, ssl=context)
    writer.write(BROKEN[what].replace(b"{path}", MAPS.encode()))
    assert b" 400 " in await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    await world.client.document("/version")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


SENSELESS: dict[str, tuple[str, Any, str]] = {
    "a job's selector": (
        "/apis/batch/v1/namespaces/default/jobs",
        {"spec": {"selector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}, "template": {"spec": {}}}},
        'spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator',
    ),
    "a version without a name": (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        {"spec": {"group": "a.b", "names": {"plural": "xs"}, "versions": [{"storage": True, "served": True}]}},
        "spec.versions[0].name: Invalid value",
    ),
}


@pytest.mark.parametrize("what", SENSELESS)
async def test_objects_that_make_no_sense(world: World, what: str) -> None:
    path, body, said = SENSELESS[what]
    body = {"metadata": {"name": "xs.a.b"}, **body}
    code, reason, message = await world.status("POST", path, data=orjson.dumps(body))
    assert (code, reason) == (422, "Invalid")
    assert said in message
