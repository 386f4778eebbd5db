# ruff: noqa: E501 - a line is one message, as upstream words it
"""What a request asks, over REST: its query, its path, and who asks it."""

from __future__ import annotations

import re

import orjson
import pytest

from tests.support.rest import World

MAPS = "/api/v1/namespaces/default/configmaps"
OF_LIST = 'ListOptions.meta.k8s.io "" is invalid: '

QUERIES = {
    "limit=": (400, 'strconv.ParseInt: parsing "": invalid syntax'),
    "limit=abc": (400, 'strconv.ParseInt: parsing "abc": invalid syntax'),
    "limit=99999999999999999999": (400, 'strconv.ParseInt: parsing "99999999999999999999": value out of range'),
    "timeoutSeconds=abc": (400, 'strconv.ParseInt: parsing "abc": invalid syntax'),
    "watch=1&timeoutSeconds=1x": (400, 'strconv.ParseInt: parsing "1x": invalid syntax'),
    "watch=1&limit=x": (400, 'strconv.ParseInt: parsing "x": invalid syntax'),
    "continue=xx": (400, "invalid continue token: continue key is not valid: invalid character"),
    "continue=e30": (
        400,
        'invalid continue token: continue key is not valid: server does not recognize this encoded version ""',
    ),
    "continue=e30&resourceVersion=5": (400, "specifying resource version is not allowed when using continue"),
    "sendInitialEvents=true": (422, f"{OF_LIST}sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
    "fieldSelector=spec.foo%3Dx": (
        400,
        '"spec.foo" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ),
    "resourceVersion=abc": (
        400,
        'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
    ),
    "resourceVersion=18446744073709551616": (400, 'resourceVersion: Invalid value: "18446744073709551616": strconv.ParseUint: parsing "18446744073709551616": value out of range'),
    "resourceVersion=9223372036854775808&resourceVersionMatch=Exact": (504, "Too large resource version"),
    "continue=eyJ2IjogIm1ldGEuazhzLmlvL3YxIiwgInJ2IjogOTIyMzM3MjAzNjg1NDc3NTgwOCwgInN0YXJ0IjogImEAIn0": (400, "invalid continue token: continue key is not valid:"),
}  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
async def test_queries_that_are_refused(world: World, query: str) -> None:
    code, said = QUERIES[query]
    found, _, message = await world.status("GET", f"{MAPS}?{query}")
    assert found == code
    assert message.startswith(said)


@pytest.mark.parametrize(
    "query",
    ["limit=-1", "timeoutSeconds=-5", "labelSelector=%zz", "unknown=1", "watch=false", "limit=9223372036854775807"],
)
async def test_queries_that_mean_nothing(world: World, query: str) -> None:
    await world.raw("POST", MAPS, data=b'{"metadata": {"name": "a"}}')
    response, body = await world.raw("GET", f"{MAPS}?{query}")
    assert response.status == 200
    assert "a" in [item["metadata"]["name"] for item in orjson.loads(body)["items"]]


async def test_fields_of_kinds_that_offer_some(world: World) -> None:
    _, _, message = await world.status("GET", "/api/v1/pods?fieldSelector=spec.foo%3Dx")
    assert message == "field label not supported: spec.foo"


async def test_who_has_no_rights_is_not_told_what_there_is_not(world: World) -> None:
    headers = {"Impersonate-User": "bob"}
    answer = await world.status("GET", "/apis/nope.example.com/v1/namespaces/default/foos", headers=headers)
    assert answer == (403, "Forbidden", (
        'foos.nope.example.com is forbidden: User "bob" cannot list resource "foos" in API group "nope.example.com" '
        'in the namespace "default"'
    ))  # fmt: skip
    response, _ = await world.raw("GET", "/apis/nope.example.com/v1/namespaces/default/foos")
    assert response.status == 404


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_rights_are_looked_at_before_the_body(world: World, method: str) -> None:
    headers = {"Impersonate-User": "bob", "Content-Type": "application/yaml"}
    path = MAPS if method == "POST" else f"{MAPS}/a"
    code, reason, _ = await world.status(method, path, data=b"a: [", headers=headers)
    assert (code, reason) == (403, "Forbidden")


async def test_owners_that_come_twice_are_kept_once(world: World) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1"}
    other = {**owner, "name": "q", "uid": "2"}
    body = {"metadata": {"name": "a", "ownerReferences": [owner, other, owner]}}
    response, answer = await world.raw("POST", MAPS, data=orjson.dumps(body))
    made = orjson.loads(answer)
    assert made["metadata"]["ownerReferences"] == [owner, other]
    assert re.search(
        r"contains duplicate entries; API server dedups .*; duplicate UID\(s\) observed: 1", response.headers["Warning"]
    )
    twice = [{"op": "add", "path": "/metadata/ownerReferences/-", "value": other}]
    headers = {"Content-Type": "application/json-patch+json"}
    response, answer = await world.raw("PATCH", f"{MAPS}/a", data=orjson.dumps(twice), headers=headers)
    assert orjson.loads(answer)["metadata"]["ownerReferences"] == [owner, other]
    assert "after mutating admission happens" in response.headers["Warning"]


async def test_an_empty_impersonation_is_none(world: World) -> None:
    response, _ = await world.raw("GET", MAPS, headers={"Impersonate-User": ""})
    assert response.status == 200


async def test_the_phase_of_a_namespace_follows_its_deletion(world: World) -> None:
    body = orjson.dumps({"metadata": {"name": "default"}, "status": {"phase": "Terminating"}})
    code, reason, message = await world.status("PUT", "/api/v1/namespaces/default/status", data=body)
    assert (code, reason) == (422, "Invalid")
    assert message.endswith("may only be 'Active' if `deletionTimestamp` is empty")
