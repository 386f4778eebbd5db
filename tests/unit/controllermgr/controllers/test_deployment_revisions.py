"""Revisions: the ReplicaSet of a template, its annotations, and how many old ones stay."""

from __future__ import annotations

from typing import Any

import pytest

from controllermgr.controllers import deployment_revisions as revisions

TEMPLATE: dict[str, Any] = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "d",
        "namespace": "ns",
        "uid": "u",
        "annotations": {
            "kubernetes.io/change-cause": "first try",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "deployment.kubernetes.io/revision": "1",
        },
    },
    "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE, "minReadySeconds": 5},
}


def old(
    name: str, revision: int, *, replicas: int = 0, observed: int = 1, template: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "generation": 1,
            "creationTimestamp": f"2026-01-01T00:00:{revision:02}Z",
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
        },
        "spec": {"replicas": replicas, "template": template or TEMPLATE},
        "status": {"replicas": replicas, "observedGeneration": observed},
    }


def test_a_new_replica_set_is_named_and_labelled_by_its_templates_hash() -> None:
    made = revisions.build(DEPLOYMENT, [old("o", 4)], size=3, largest=4)
    digest = made["metadata"]["labels"]["pod-template-hash"]
    assert made["metadata"]["name"] == f"d-{digest}"
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert made["metadata"]["annotations"] == {
        "kubernetes.io/change-cause": "first try",
        "deployment.kubernetes.io/revision": "5",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    assert made["spec"]["selector"] == {"matchLabels": {"app": "a", "pod-template-hash": digest}}
    assert made["spec"]["template"]["metadata"]["labels"] == {"app": "a", "pod-template-hash": digest}
    assert (made["spec"]["replicas"], made["spec"]["minReadySeconds"]) == (0, 5)
    assert TEMPLATE["metadata"]["labels"] == {"app": "a"}, "the Deployment is left as it is"
    assert revisions.new_replica_set(DEPLOYMENT, [made]) is made


def test_a_collision_makes_another_name() -> None:
    made = revisions.build(DEPLOYMENT, [], size=3, largest=4)
    again = revisions.build({**DEPLOYMENT, "status": {"collisionCount": 1}}, [], size=3, largest=4)
    assert made["metadata"]["name"] != again["metadata"]["name"]


def test_the_oldest_of_the_same_template_is_the_one() -> None:
    other = {**TEMPLATE, "spec": {"containers": [{"name": "c", "image": "y"}]}}
    found = [old("younger", 3), old("older", 2), old("another", 1, template=other)]
    assert revisions.new_replica_set(DEPLOYMENT, found) is found[1]
    assert revisions.new_replica_set(DEPLOYMENT, found[2:]) is None


def test_a_template_that_comes_back_gets_the_next_number_and_remembers_the_former() -> None:
    back = old("back", 1)
    annotations = revisions.annotations_for(DEPLOYMENT, back, "3", size=3, largest=4, new=False)
    assert annotations["deployment.kubernetes.io/revision"] == "3"
    assert annotations["deployment.kubernetes.io/revision-history"] == "1"
    assert "deployment.kubernetes.io/desired-replicas" not in annotations
    back["metadata"]["annotations"] = annotations
    again = revisions.annotations_for(DEPLOYMENT, back, "5", size=3, largest=4, new=False)
    assert again["deployment.kubernetes.io/revision-history"] == "1,3"
    assert revisions.annotations_for(DEPLOYMENT, back, "2", size=3, largest=4, new=False) == annotations


def test_the_history_does_not_grow_without_end() -> None:
    long = ",".join(str(number) for number in range(1000, 1400))
    each = old("x", 1400)
    each["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] = long
    found = revisions.annotations_for(DEPLOYMENT, each, "1401", size=3, largest=4, new=False)
    history = found["deployment.kubernetes.io/revision-history"]
    assert len(history) <= revisions.HISTORY_CHARACTERS
    assert history.endswith(",1400")


@pytest.mark.parametrize(
    ("limit", "gone"),
    [(10, []), (2, ["r1"]), (1, ["r1"]), (0, ["r1", "r4"])],
)
def test_the_lowest_revisions_go_if_they_are_empty_and_settled(limit: int, gone: list[str]) -> None:
    kept = [old("r4", 4), old("r2", 2, replicas=1), old("r1", 1)]
    assert [each["metadata"]["name"] for each in revisions.surplus_history(kept, limit)] == gone


def test_an_unsettled_one_stays() -> None:
    assert revisions.surplus_history([old("r1", 1, observed=0)], 0) == []
