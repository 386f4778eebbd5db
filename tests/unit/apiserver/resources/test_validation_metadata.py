"""Metadata, for every kind."""

from typing import Any

import pytest

from apiserver.resources.validation import metadata
from machinery.objects.names import is_dns_subdomain
from tests.unit.apiserver.resources.builders import golden

FOUND = (
    "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
    'found new finalizers []string{"a.b/d"}'
)
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}


def problems(namespaced: bool = True, **fields: Any) -> list[str]:
    obj = {"metadata": {"name": "web", "namespace": "default", **fields}}
    return [str(e) for e in metadata.create(obj, namespaced=namespaced, name_problems=is_dns_subdomain)]


CASES = golden("validation/metadata.yaml")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_create(case: dict[str, Any]) -> None:
    assert problems(**case["metadata"]) == case["errors"]


def test_annotations_have_a_limit_together() -> None:
    assert problems(annotations={"big": "x" * 262141}) == []
    assert problems(annotations={"big": "x" * 262142}) == [
        "metadata.annotations: Too long: may not be more than 262144 bytes"
    ]


def test_cluster_wide_kinds_have_no_namespace() -> None:
    assert problems(namespaced=False) == ["metadata.namespace: Forbidden: not allowed on this type"]


def test_one_controller_at_most() -> None:
    owners = [{**OWNER, "controller": True}, {**OWNER, "name": "q", "controller": True}]
    (said,) = problems(ownerReferences=owners)
    assert said.startswith("metadata.ownerReferences: Invalid value: ")
    assert said.endswith('Only one reference can have Controller set to true. Found "true" in references for p and q')


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param({}, {"labels": {"a": "b"}}, [], id="labels change"),
        pytest.param(
            {"uid": "1"}, {"uid": "2"}, ['metadata.uid: Invalid value: "2": field is immutable'], id="uid stays"
        ),
        pytest.param(
            {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a.b/c"]},
            {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a.b/c", "a.b/d"]},
            [FOUND],
            id="no new finalizers while deleting",
        ),
        pytest.param(
            {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a.b/c"]},
            {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            [],
            id="finalizers go while deleting",
        ),
    ],
)
def test_update(old: dict[str, Any], new: dict[str, Any], said: list[str]) -> None:
    before, after = ({"metadata": {"name": "web", "namespace": "default", **each}} for each in (old, new))
    assert [str(e) for e in metadata.update(after, before)] == said
