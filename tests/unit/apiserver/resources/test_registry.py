"""The table of built-in kinds: what discovery, storage and clients read from it."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from apiserver.resources.registry import RESOURCES, index
from apiserver.resources.spec import ResourceSpec
from machinery import schema
from machinery.objects.gvk import GVR

ROWS = list(RESOURCES.values())


@pytest.fixture(scope="module")
def definitions() -> Mapping[str, Any]:
    packed = Path(schema.__file__).with_name("kubernetes.json.gz")
    found: Mapping[str, Any] = json.loads(gzip.decompress(packed.read_bytes()))["definitions"]
    return found


def test_every_kind_has_its_schema(definitions: Mapping[str, Any]) -> None:
    assert [row.schema for row in ROWS if row.schema not in definitions] == []


def test_every_stable_kind_of_these_groups_is_served(definitions: Mapping[str, Any]) -> None:
    """Each kind that has a list in the schemas, in a served group's stable version, has a row."""
    prefixes = {row.schema.rpartition(".")[0] for row in ROWS}
    lists = {name.removesuffix("List") for name in definitions if name.endswith("List") and ".v" in name}
    known = {name for name in lists if name.rpartition(".")[0] in prefixes and name in definitions}
    assert known - {row.schema for row in ROWS} == set()


def test_two_rows_for_one_resource_are_refused() -> None:
    with pytest.raises(ValueError, match="two rows for v1/pods"):
        index([RESOURCES[GVR("", "v1", "pods")]] * 2)


@pytest.mark.parametrize(
    ("resource", "storage"),
    [
        (GVR("", "v1", "nodes"), "minions"),
        (GVR("", "v1", "services"), "services/specs"),
        (GVR("", "v1", "endpoints"), "services/endpoints"),
        (GVR("", "v1", "replicationcontrollers"), "controllers"),
        (GVR("apps", "v1", "deployments"), "deployments"),
        (GVR("networking.k8s.io", "v1", "ingresses"), "ingress"),
        (GVR("events.k8s.io", "v1", "events"), "events"),
        (
            GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
            "apiextensions.k8s.io/customresourcedefinitions",
        ),
        (GVR("authorization.k8s.io", "v1", "subjectaccessreviews"), ""),
    ],
    ids=str,
)
def test_keys_are_laid_out_as_upstream(resource: GVR, storage: str) -> None:
    assert RESOURCES[resource].storage == storage


def test_kinds_that_share_a_prefix_are_one_kind_in_two_versions() -> None:
    by_prefix: dict[str, list[ResourceSpec]] = {}
    for row in ROWS:
        if row.storage:
            by_prefix.setdefault(row.storage, []).append(row)
    for rows in by_prefix.values():
        stored = [row for row in rows if row.stored_as is None]
        assert len(stored) == 1
        assert all(row.stored_as == stored[0].gvk for row in rows if row is not stored[0])


def test_short_names_are_unique_in_their_group() -> None:
    seen = [(row.gvr.group, row.gvr.version, short) for row in ROWS for short in row.short_names]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    ("resource", "subresources"),
    [
        (
            GVR("", "v1", "pods"),
            {
                "attach",
                "binding",
                "ephemeralcontainers",
                "eviction",
                "exec",
                "log",
                "portforward",
                "proxy",
                "resize",
                "status",
            },
        ),
        (GVR("", "v1", "namespaces"), {"finalize", "status"}),
        (GVR("", "v1", "serviceaccounts"), {"token"}),
        (GVR("apps", "v1", "deployments"), {"scale", "status"}),
        (GVR("apps", "v1", "daemonsets"), {"status"}),
        (GVR("certificates.k8s.io", "v1", "certificatesigningrequests"), {"approval", "status"}),
    ],
    ids=lambda value: str(value) if isinstance(value, GVR) else "",
)
def test_subresources(resource: GVR, subresources: set[str]) -> None:
    assert set(RESOURCES[resource].subresources) == subresources


def test_what_get_all_lists() -> None:
    assert {row.gvr.resource for row in ROWS if "all" in row.categories} == {
        "pods", "replicationcontrollers", "services", "daemonsets", "deployments", "replicasets", "statefulsets",
        "horizontalpodautoscalers", "cronjobs", "jobs",
    }  # fmt: skip


def test_namespaces_have_no_deletecollection() -> None:
    assert "deletecollection" not in RESOURCES[GVR("", "v1", "namespaces")].verbs


def test_field_selectors_read_the_object() -> None:
    pod = {"spec": {"nodeName": "n1"}, "status": {"phase": "Running"}}
    selectable = RESOURCES[GVR("", "v1", "pods")].selectable
    values = {label: read(pod) for label, read in selectable.items()}
    assert values["spec.nodeName"] == "n1"
    assert values["status.phase"] == "Running"
    assert values["status.podIP"] == ""
    assert values["spec.hostNetwork"] == "false"
