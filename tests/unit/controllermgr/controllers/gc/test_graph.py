"""The ownership graph: what each change makes the collector look at."""

from __future__ import annotations

from typing import Any

from controllermgr.controllers.gc.graph import FOREGROUND, ORPHAN, Graph, delete_key, orphan_key
from machinery.client.resources import PODS, REPLICA_SETS


def _owner(uid: str = "o", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": uid, "namespace": "n", "uid": uid, **metadata},
    }


def _pod(uid: str, *owners: str, block: bool = True, **metadata: Any) -> dict[str, Any]:
    refs = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": each, "uid": each, "blockOwnerDeletion": block}
        for each in owners
    ]
    metadata = {"name": uid, "namespace": "n", "uid": uid, **metadata}
    if refs:
        metadata["ownerReferences"] = refs
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def _deleting(obj: dict[str, Any], *finalizers: str) -> dict[str, Any]:
    metadata = {**obj["metadata"], "deletionTimestamp": "2024-01-01T00:00:00Z", "finalizers": list(finalizers)}
    return {**obj, "metadata": metadata}


def test_dependents_are_looked_at_when_their_owner_is_gone() -> None:
    graph = Graph()
    assert graph.observed(REPLICA_SETS, _owner()) == []
    assert graph.observed(PODS, _pod("a", "o")) == []
    graph.observed(PODS, _pod("b", "o"))
    assert sorted(graph.vanished("o")) == [delete_key("a"), delete_key("b")]
    assert graph.vanished("o") == []


def test_owner_that_was_never_seen_has_to_be_verified() -> None:
    graph = Graph()
    assert graph.observed(PODS, _pod("a", "o")) == [delete_key("o")]
    node = graph.get("o")
    assert node is not None and node.virtual and node.namespace == "n"
    assert graph.observed(REPLICA_SETS, _owner()) == []
    assert not node.virtual


def test_dependent_that_names_its_owner_wrongly_is_looked_at() -> None:
    graph = Graph()
    graph.observed(PODS, _pod("a", "o"))
    assert graph.observed(REPLICA_SETS, _owner("o", name="other")) == [delete_key("a")]
    late = Graph()
    late.observed(REPLICA_SETS, _owner("o", name="other"))
    assert late.observed(PODS, _pod("a", "o")) == [delete_key("a")]


def test_foreground_deletion_waits_for_blocking_dependents() -> None:
    graph = Graph()
    graph.observed(REPLICA_SETS, _owner())
    graph.observed(PODS, _pod("a", "o"))
    graph.observed(PODS, _pod("b", "o", block=False))
    woken = graph.observed(REPLICA_SETS, _deleting(_owner(), FOREGROUND))
    assert sorted(woken) == [delete_key("a"), delete_key("b"), delete_key("o")]
    node = graph.get("o")
    assert node is not None and [each.uid for each in node.blocking_dependents()] == ["a"]
    assert graph.vanished("a") == [delete_key("o")]
    assert node.blocking_dependents() == []


def test_unblocking_wakes_the_waiting_owner() -> None:
    graph = Graph()
    graph.observed(REPLICA_SETS, _owner())
    graph.observed(PODS, _pod("a", "o"))
    graph.observed(REPLICA_SETS, _deleting(_owner(), FOREGROUND))
    assert graph.observed(PODS, _pod("a", "o", block=False)) == [delete_key("o")]
    assert graph.observed(PODS, _pod("a")) == [delete_key("o")]


def test_new_dependent_of_a_dying_owner_is_looked_at() -> None:
    graph = Graph()
    graph.observed(REPLICA_SETS, _deleting(_owner(), FOREGROUND))
    assert graph.observed(PODS, _pod("a", "o")) == [delete_key("a")]


def test_orphaning() -> None:
    graph = Graph()
    graph.observed(REPLICA_SETS, _owner())
    assert graph.observed(REPLICA_SETS, _deleting(_owner(), ORPHAN)) == [orphan_key("o")]


def test_released_dependents_are_left_alone() -> None:
    graph = Graph()
    graph.observed(REPLICA_SETS, _owner())
    graph.observed(PODS, _pod("a", "o"))
    assert graph.observed(PODS, _pod("a")) == []
    assert graph.vanished("o") == []


def test_virtual_owners_do_not_pile_up() -> None:
    graph = Graph()
    graph.observed(PODS, _pod("a", "o"))
    graph.observed(PODS, _pod("a"))
    graph.vanished("a")
    assert len(graph) == 0
