from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.resources.registry import RESOURCES
from apiserver.storage import cache as caches
from apiserver.storage.cache import ResourceCache
from apiserver.storage.etcd import KeyValue
from apiserver.storage.subscription import Subscription
from machinery.errors import Gone
from machinery.objects.gvk import GVR

PODS = RESOURCES[GVR("", "v1", "pods")]


def value(name: str, namespace: str = "ns", node: str = "", **labels: str) -> bytes:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return orjson.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": node}})


@pytest.fixture
def cache() -> ResourceCache:
    made = ResourceCache("pods")
    items = [KeyValue(f"pods/{path}".encode(), value(path.split("/")[1]), 5) for path in ("b/x", "a/y", "a/x")]
    made.fill(items, 10)
    return made


def seen(subscription: Subscription) -> list[tuple[str, str]]:
    taken = list(subscription._pending)
    subscription._pending.clear()
    return [(event.type, event.entry.path) for event in taken]


def test_objects_come_in_the_order_of_their_keys(cache: ResourceCache) -> None:
    assert [entry.path for entry in cache.select()] == ["a/x", "a/y", "b/x"]
    assert [entry.path for entry in cache.select("a")] == ["a/x", "a/y"]
    cache.apply("a/xx", value("xx"), 11)
    cache.apply("a-b/x", value("x"), 12)
    cache.apply("a/y", None, 13)
    assert [entry.path for entry in cache.select("a")] == ["a/x", "a/xx"]
    assert [entry.path for entry in cache.select()] == sorted(cache.entries)


def test_what_the_list_has_is_not_applied_again(cache: ResourceCache) -> None:
    cache.apply("a/x", None, 10)
    assert cache.get("a/x") is not None
    cache.apply("a/x", None, 11)
    assert cache.get("a/x") is None


def test_events_during_the_list_are_applied_after_it() -> None:
    cache = ResourceCache("pods")
    cache.apply("a/x", value("x"), 8)
    cache.apply("a/y", value("y"), 12)
    cache.fill([KeyValue(b"pods/a/x", value("x"), 8)], 10)
    assert sorted(cache.entries) == ["a/x", "a/y"]
    assert [event.revision for event in cache.since(10)] == [12]


def test_the_ring_reaches_back_so_far(cache: ResourceCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "RING", 3)
    with pytest.raises(Gone, match=r"too old resource version: 9 \(10\)"):
        cache.since(9)
    for revision in range(11, 16):
        cache.apply("a/x", value("x", n=str(revision)), revision)
    with pytest.raises(Gone, match=r"too old resource version: 11 \(12\)"):
        cache.since(11)
    assert [event.revision for event in cache.since(12)] == [13, 14, 15]
    assert cache.since(99) == []


def test_events_go_to_those_whom_they_concern(cache: ResourceCache) -> None:
    everything, namespace = Subscription(PODS), Subscription(PODS, namespace="a")
    one, node = Subscription(PODS, path="a/x"), Subscription(PODS, trigger=("spec.nodeName", "n1"))
    both = Subscription(PODS, namespace="a", trigger=("spec.nodeName", "n1"))
    for subscription in (everything, namespace, one, node, both):
        cache.subscribe(subscription)
    cache.apply("a/x", value("x", node="n1"), 11)
    cache.apply("b/x", value("x", node="n1"), 12)
    cache.apply("a/y", value("y", node="n2"), 13)
    cache.apply("a/x", value("x", node="n2"), 14)  # it leaves n1, which n1 must be told
    assert seen(everything) == [("MODIFIED", path) for path in ("a/x", "b/x", "a/y", "a/x")]
    assert seen(namespace) == [("MODIFIED", path) for path in ("a/x", "a/y", "a/x")]
    assert seen(one) == [("MODIFIED", "a/x")] * 2
    assert seen(node) == [("MODIFIED", path) for path in ("a/x", "b/x", "a/x")]
    assert seen(both) == [("MODIFIED", "a/x")] * 2
    for subscription in (everything, namespace, one, node, both):
        cache.unsubscribe(subscription)
    cache.apply("a/x", None, 15)
    assert not any(seen(subscription) for subscription in (everything, namespace, one, node, both))


def test_a_watcher_that_does_not_keep_up_is_ended(cache: ResourceCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apiserver.storage.subscription.LIMIT", 5)
    slow = Subscription(PODS)
    cache.subscribe(slow)
    for revision in range(11, 16):
        cache.apply("a/x", value("x", n=str(revision)), revision)
    assert not slow.ended
    cache.apply("a/x", None, 16)
    assert slow.ended and slow.idle


def test_listeners_are_told_differences_after_a_gap(cache: ResourceCache) -> None:
    told: list[tuple[str, str]] = []

    def listen(event: str, obj: dict[str, Any]) -> None:
        told.append((event, f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"))

    cache.listen(1, listen)
    assert len(told) == 3
    told.clear()
    watcher = Subscription(PODS)
    cache.subscribe(watcher)
    cache.reset()
    assert watcher.ended and not cache.ready
    unchanged = KeyValue(b"pods/a/x", value("x"), 5)
    changed = KeyValue(b"pods/a/y", value("y", n="2"), 21)
    added = KeyValue(b"pods/c/z", value("z", "c"), 22)
    cache.fill([unchanged, changed, added], 30)
    assert sorted(told) == [("ADDED", "c/z"), ("DELETED", "ns/x"), ("MODIFIED", "ns/y")]


def test_decoding_is_put_off_until_somebody_asks(cache: ResourceCache, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []
    monkeypatch.setattr(caches, "decode", lambda body: calls.append(body) or orjson.loads(body))
    watcher = Subscription(PODS)
    cache.subscribe(watcher)
    for revision in range(11, 21):
        cache.apply("a/x", value("x", n=str(revision)), revision)
    assert not calls
    entry = cache.get("a/x")
    assert entry is not None
    assert entry.labels() == {"n": "20"} and entry.fields(PODS)["spec.nodeName"] == ""
    assert entry.labels() and entry.fields(PODS)
    assert len(calls) <= 2
