"""Store, subscriptions, and how an informer's steps become changes."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.client.resources import PODS
from machinery.client.watch import Changed
from machinery.informer import BY_CONTROLLER, Informer, Selection, Store, by_controller
from machinery.informer.subscription import Subscription


def pod(name: str, version: str = "1", *, uid: str = "", owner: str = "", namespace: str = "ns") -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "namespace": namespace,
        "name": name,
        "uid": uid or f"uid-{name}",
        "resourceVersion": version,
    }
    if owner:
        metadata["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}]
    return {"metadata": metadata}


def names(found: Any) -> list[str]:
    return sorted(each["metadata"]["name"] for each in found)


def test_objects_are_found_by_key_namespace_and_index() -> None:
    store = Store({BY_CONTROLLER: by_controller})
    for each in (pod("a", owner="rs"), pod("b", owner="rs"), pod("c"), pod("d", namespace="other")):
        store.put(each)
    assert store.get("ns/a") == pod("a", owner="rs")
    assert store.get("ns/z") is None
    assert names(store.in_namespace("ns")) == ["a", "b", "c"]
    assert names(store.in_namespace("")) == ["a", "b", "c", "d"]
    assert names(store.controlled_by("rs")) == ["a", "b"]
    assert names(store.orphans("ns")) == ["c"]


def test_an_index_follows_changes_and_forgets_what_is_gone() -> None:
    store = Store({BY_CONTROLLER: by_controller})
    store.put(pod("a", owner="one"))
    store.put(pod("a", "2", owner="two"))
    assert names(store.controlled_by("one")) == []
    assert names(store.controlled_by("two")) == ["a"]
    assert store.controlled_by("two")[0]["metadata"]["resourceVersion"] == "2"
    store.remove("ns/a")
    assert store.index_values(BY_CONTROLLER) == []


def test_an_index_that_is_declared_late_holds_what_is_there() -> None:
    store = Store()
    store.put(pod("a", owner="rs"))
    store.add_index(BY_CONTROLLER, by_controller)
    store.add_index(BY_CONTROLLER, by_controller)
    assert names(store.controlled_by("rs")) == ["a"]
    with pytest.raises(ValueError, match="declared with another"):
        store.add_index(BY_CONTROLLER, lambda obj: ())


def told(changes: Any) -> list[tuple[str, str | None, str | None]]:
    def version(obj: dict[str, Any] | None) -> str | None:
        return None if obj is None else str(obj["metadata"]["resourceVersion"])

    return [(each.object["metadata"]["name"], version(each.old), version(each.new)) for each in changes]


@pytest.fixture
def informer() -> Informer:
    return Informer(Selection(PODS))


async def test_a_subscriber_learns_what_is_there_and_what_changes(informer: Informer) -> None:
    informer.replace([pod("a", "1")], "1")
    assert informer.synced
    changes = informer.subscribe()
    assert told(await changes.take()) == [("a", None, "1")]
    informer.apply(Changed(pod("b", "2"), False, "2"))
    informer.apply(Changed(pod("a", "3"), False, "3"))
    informer.apply(Changed(pod("b", "4"), True, "4"))
    assert told(await changes.take()) == [("b", None, "2"), ("a", "1", "3"), ("b", "4", None)]
    assert informer.store.resource_version == "4"


async def test_updates_that_nobody_took_become_one(informer: Informer) -> None:
    informer.replace([pod("a", "1")], "1")
    changes = informer.subscribe()
    await changes.take()
    for version in ("2", "3", "4"):
        informer.apply(Changed(pod("a", version), False, version))
    assert told(await changes.take()) == [("a", "1", "4")]


async def test_adds_and_deletes_are_not_lost_between_updates(informer: Informer) -> None:
    informer.replace([], "1")
    changes = informer.subscribe()
    informer.apply(Changed(pod("a", "2"), False, "2"))
    informer.apply(Changed(pod("a", "3"), False, "3"))
    informer.apply(Changed(pod("a", "4"), True, "4"))
    informer.apply(Changed(pod("a", "5", uid="again"), False, "5"))
    assert told(await changes.take()) == [("a", None, "3"), ("a", "4", None), ("a", None, "5")]


async def test_after_a_gap_only_the_difference_is_told(informer: Informer) -> None:
    informer.replace([pod("same", "1"), pod("changed", "2"), pod("gone", "3"), pod("replaced", "4")], "4")
    changes = informer.subscribe()
    await changes.take()
    informer.replace([pod("same", "1"), pod("changed", "7"), pod("new", "8"), pod("replaced", "9", uid="another")], "9")
    assert told(await changes.take()) == [
        ("changed", "2", "7"),
        ("new", None, "8"),
        ("replaced", "4", None),
        ("replaced", None, "9"),
        ("gone", "3", None),
    ]


async def test_who_unsubscribed_is_told_nothing(informer: Informer) -> None:
    informer.replace([], "1")
    changes = informer.subscribe()
    informer.unsubscribe(changes)
    informer.unsubscribe(Subscription())
    informer.apply(Changed(pod("a", "2"), False, "2"))
    assert len(changes) == 0


async def test_readers_share_one_object(informer: Informer) -> None:
    one, two = informer.subscribe(), informer.subscribe()
    informer.replace([pod("a", "1")], "1")
    (first,), (second,) = await one.take(), await two.take()
    assert first.new is second.new is informer.store.get("ns/a")


async def test_who_wrote_what_is_not_held(informer: Informer) -> None:
    written = pod("a", "2")
    written["metadata"]["managedFields"] = [{"manager": "kubectl", "operation": "Update"}]
    changes = informer.subscribe()
    informer.replace([written], "2")
    assert informer.store.get("ns/a") == pod("a", "2")
    informer.apply(Changed(written, True, "3"))
    assert [(each.old, each.new) for each in await changes.take()] == [(None, pod("a", "2")), (pod("a", "2"), None)]
    assert "managedFields" in written["metadata"]
