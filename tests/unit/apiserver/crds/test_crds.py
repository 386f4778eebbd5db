from __future__ import annotations

from typing import Any

import pytest

from apiserver.crds.jsonpath import JsonPathError, compile_path
from apiserver.crds.names import decide
from apiserver.resources.crd import rows, version_rank
from apiserver.resources.registry import RESOURCES

OBJ = {
    "metadata": {"labels": {"a.b/c": "x"}},
    "spec": {"n": 3, "list": [{"t": "A", "v": 1}, {"t": "B", "v": 2}], "deep": {"er": True}},
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (".spec.n", [3]),
        ("spec.n", [3]),
        ("{.spec.n}", [3]),
        ("$.spec.deep.er", [True]),
        (".metadata.labels['a.b/c']", ["x"]),
        (r".metadata.labels.a\.b/c", ["x"]),
        (".spec.list[0].v", [1]),
        (".spec.list[-1].v", [2]),
        (".spec.list[*].v", [1, 2]),
        ('.spec.list[?(@.t=="B")].v', [2]),
        (".spec.list[7].v", []),
        (".spec.nothing.here", []),
        (".spec.n.deeper", []),
    ],
)
def test_json_paths(path: str, values: list[Any]) -> None:
    assert compile_path(path)(OBJ) == values


@pytest.mark.parametrize("path", [".spec[", ".spec..n", ".spec[?(@.a>1)]", ""])
def test_paths_that_are_not_understood(path: str) -> None:
    with pytest.raises(JsonPathError):
        compile_path(path)


def test_versions_in_the_order_of_their_age() -> None:
    versions = ["foo1", "v1alpha1", "v11alpha2", "v2", "v1beta1", "v10", "v1", "v3beta1", "bar"]
    assert sorted(versions, key=version_rank) == [
        "v10", "v2", "v1", "v3beta1", "v1beta1", "v11alpha2", "v1alpha1", "bar", "foo1"
    ]  # fmt: skip


def definition(**names: Any) -> dict[str, Any]:
    return {
        "spec": {
            "group": "apps",
            "scope": "Cluster",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList", **names},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}},
                {"name": "v2", "served": True, "storage": False, "schema": {"openAPIV3Schema": {"type": "object"}}},
                {"name": "v3", "served": False, "storage": False},
            ],
        }
    }


APPS = [spec for spec in RESOURCES.values() if spec.gvr.group == "apps"]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({}, None),
        ({"plural": "deployments"}, "PluralConflict"),
        ({"singular": "deployment"}, "SingularConflict"),
        ({"shortNames": ["th", "sts"]}, "ShortNamesConflict"),
        ({"kind": "StatefulSet"}, "KindConflict"),
        ({"listKind": "DeploymentList"}, "ListKindConflict"),
    ],
)
def test_names_that_are_taken(names: dict[str, Any], reason: str | None) -> None:
    naming = decide(definition(**names), APPS)
    assert (naming.conflict[0] if naming.conflict else None) == reason
    if reason is None:
        assert naming.accepted == {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}


def test_rows_of_the_served_versions() -> None:
    newest, stored = rows(definition())
    assert (newest.gvr.version, stored.gvr.version) == ("v2", "v1")
    assert stored.from_storage is None and stored.to_storage is None
    assert newest.from_storage is not None and newest.to_storage is not None
    assert newest.to_storage({"apiVersion": "apps/v2", "kind": "Thing"})["apiVersion"] == "apps/v1"
    assert newest.from_storage({"apiVersion": "apps/v1", "kind": "Thing"})["apiVersion"] == "apps/v2"
    assert not stored.namespaced and stored.storage == newest.storage == "apps/things"
    assert [column.name for column in stored.columns] == ["Name", "Age"]
