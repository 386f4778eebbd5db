"""Lists and watches: what resourceVersion, selectors, pages, bookmarks and old versions mean."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from actors import VirtualClock
from machinery.client.api import PatchType, Representation, WatchEvent
from machinery.client.grpc import ApiClient
from machinery.errors import ApiError, BadRequest, Gone, Invalid, Timeout
from tests.integration.conftest import Serve
from tests.support.inprocess import CONFIGMAPS, PODS, Server, configmap, pod, serving


async def names(client: ApiClient, **options: object) -> list[str]:
    page = await client.list(CONFIGMAPS, namespace="default", **options)  # type: ignore[arg-type]
    return [item["metadata"]["name"] for item in page.items]


class Watcher:
    """Collects the events of one watch in the background."""

    def __init__(self, events: AsyncIterator[WatchEvent]) -> None:
        self._events = events
        self._queue: asyncio.Queue[WatchEvent | BaseException | None] = asyncio.Queue()
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        try:
            async for event in self._events:
                self._queue.put_nowait(event)
        except ApiError as error:
            self._queue.put_nowait(error)
        self._queue.put_nowait(None)

    async def next(self) -> WatchEvent:
        event = await asyncio.wait_for(self._queue.get(), 5)
        if isinstance(event, BaseException):
            raise event
        assert event is not None, "the watch ended"
        return event

    async def seen(self, count: int) -> list[tuple[str, str]]:
        events = [await self.next() for _ in range(count)]
        return [(event.type, event.object["metadata"].get("name", "")) for event in events]

    async def ended(self) -> None:
        assert await asyncio.wait_for(self._queue.get(), 5) is None

    @property
    def quiet(self) -> bool:
        return self._queue.empty()

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def test_a_list_sees_every_write_that_came_before_it(server: Server) -> None:
    client = server.client()
    for number in range(50):
        await client.create(CONFIGMAPS, configmap(f"c{number:02}"))
        assert len(await names(client)) == number + 1


async def test_a_write_past_the_server_is_seen_as_well(server: Server) -> None:
    """Somebody with etcdctl is no reason to answer what is no longer true."""
    client = server.client()
    made = await client.create(CONFIGMAPS, configmap("a", x="1"))
    assert await names(client) == ["a"]
    key = b"configmaps/default/a"
    await server.etcd.remove(key, expected=int(made["metadata"]["resourceVersion"]))
    assert await names(client) == []


async def test_pages_are_one_consistent_list(server: Server) -> None:
    client = server.client()
    for number in range(5):
        await client.create(CONFIGMAPS, configmap(f"c{number}"))
    first = await client.list(CONFIGMAPS, namespace="default", limit=2)
    assert [item["metadata"]["name"] for item in first.items] == ["c0", "c1"]
    assert first.remaining == 3
    await client.delete(CONFIGMAPS, "c3", namespace="default")
    await client.create(CONFIGMAPS, configmap("c2b"))
    second = await client.list(CONFIGMAPS, namespace="default", limit=2, continue_token=first.continue_token)
    third = await client.list(CONFIGMAPS, namespace="default", limit=2, continue_token=second.continue_token)
    assert [item["metadata"]["name"] for page in (second, third) for item in page.items] == ["c2", "c3", "c4"]
    assert third.continue_token == ""
    assert {first.resource_version, second.resource_version, third.resource_version} == {first.resource_version}


async def test_pages_with_a_selector(server: Server) -> None:
    client = server.client()
    for number in range(9):
        await client.create(CONFIGMAPS, configmap(f"c{number}", labels={"third": str(number % 3 == 0).lower()}))
    token, found = "", []
    while True:
        page = await client.list(
            CONFIGMAPS, namespace="default", label_selector="third=true", limit=1, continue_token=token
        )
        found += [item["metadata"]["name"] for item in page.items]
        assert page.remaining is None
        if not (token := page.continue_token):
            break
    assert found == ["c0", "c3", "c6"]


async def test_a_compacted_continue_token_names_one_that_works(server: Server) -> None:
    client = server.client()
    for number in range(4):
        await client.create(CONFIGMAPS, configmap(f"c{number}"))
    page = await client.list(CONFIGMAPS, namespace="default", limit=2)
    last = await client.create(CONFIGMAPS, configmap("c9"))
    await server.compact(int(last["metadata"]["resourceVersion"]))
    with pytest.raises(Gone, match="The provided continue parameter is too old") as caught:
        await client.list(CONFIGMAPS, namespace="default", limit=2, continue_token=page.continue_token)
    assert caught.value.code == 410
    with pytest.raises(Gone, match="The resourceVersion for the provided list is too old"):
        await names(client, resource_version=page.resource_version, resource_version_match="Exact")


async def test_an_exact_version_shows_the_past(server: Server) -> None:
    client = server.client()
    first = await client.create(CONFIGMAPS, configmap("a"))
    await client.create(CONFIGMAPS, configmap("b"))
    then = first["metadata"]["resourceVersion"]
    assert await names(client, resource_version=then, resource_version_match="Exact") == ["a"]
    assert await names(client) == ["a", "b"]  # from here on the caches have both
    assert await names(client, resource_version=then, resource_version_match="NotOlderThan") == ["a", "b"]
    assert await names(client, resource_version=then) == ["a", "b"]
    assert await names(client, resource_version="0") == ["a", "b"]


async def test_a_version_nobody_has_written_is_waited_for_and_then_refused() -> None:
    clock = VirtualClock()
    async with serving(clock=clock) as server:
        client = server.client()
        asking = asyncio.ensure_future(names(client, resource_version="100000"))
        await clock.advance(seconds=2)
        assert not asking.done()
        await clock.advance(seconds=2)
        with pytest.raises(Timeout, match="Too large resource version: 100000, current: ") as caught:
            await asking
        assert caught.value.retry_after == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"label_selector": "a in"}, BadRequest, "unable to parse requirement"),
        ({"field_selector": "spec.foo=1"}, BadRequest, '"spec.foo" is not a known field selector'),
        ({"resource_version": "x"}, BadRequest, "resourceVersion"),
        ({"resource_version_match": "Exact"}, Invalid, "resourceVersionMatch is forbidden unless resourceVersion"),
        ({"resource_version": "0", "resource_version_match": "Exact"}, Invalid, "is forbidden for resourceVersion"),
        ({"resource_version": "1", "resource_version_match": "Best"}, Invalid, 'Unsupported value: "Best"'),
        ({"continue_token": "%%%"}, BadRequest, "continue key is not valid"),
    ],
)
async def test_bad_list_options(server: Server, options: dict[str, str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        await names(server.client(), **options)


async def test_field_selectors(server: Server) -> None:
    client = server.client()
    await client.create(PODS, pod("a", node="n1"))
    await client.create(PODS, pod("b"))
    found = await client.list(PODS, field_selector="spec.nodeName=n1")
    assert [item["metadata"]["name"] for item in found.items] == ["a"]
    found = await client.list(PODS, namespace="default", field_selector="metadata.name=b,status.phase!=Running")
    assert [item["metadata"]["name"] for item in found.items] == ["b"]
    assert not (await client.list(PODS, namespace="kube-system", field_selector="metadata.name=b")).items


async def test_events_come_once_and_in_order(server: Server) -> None:
    client = server.client()
    first = await client.create(CONFIGMAPS, configmap("a"))
    watcher = Watcher(client.watch(CONFIGMAPS, resource_version=first["metadata"]["resourceVersion"]))
    await client.patch(CONFIGMAPS, "a", {"data": {"x": "1"}}, PatchType.MERGE, namespace="default")
    await client.create(CONFIGMAPS, configmap("b"))
    await client.delete(CONFIGMAPS, "a", namespace="default")
    assert await watcher.seen(3) == [("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    await watcher.stop()


async def test_a_deletion_tells_the_last_state_at_the_deletions_version(server: Server) -> None:
    client = server.client()
    made = await client.create(CONFIGMAPS, configmap("a", x="1"))
    watcher = Watcher(client.watch(CONFIGMAPS, namespace="default"))
    assert await watcher.seen(1) == [("ADDED", "a")]
    await client.delete(CONFIGMAPS, "a", namespace="default")
    event = await watcher.next()
    assert event.type == "DELETED" and event.object["data"] == {"x": "1"}
    assert int(event.object["metadata"]["resourceVersion"]) == int(made["metadata"]["resourceVersion"]) + 1
    await watcher.stop()


async def test_selected_objects_come_and_go_as_their_labels_change(server: Server) -> None:
    client = server.client()
    start = (await client.create(CONFIGMAPS, configmap("a")))["metadata"]["resourceVersion"]
    watcher = Watcher(client.watch(CONFIGMAPS, namespace="default", label_selector="on=yes", resource_version=start))

    async def label(value: str | None, data: str) -> None:
        change = {"metadata": {"labels": {"on": value}}, "data": {"x": data}}
        await client.patch(CONFIGMAPS, "a", change, PatchType.MERGE, namespace="default")

    await label("yes", "1")
    await label("yes", "2")
    await label("no", "3")
    await label("no", "4")
    await label("yes", "5")
    await client.delete(CONFIGMAPS, "a", namespace="default")
    events = [await watcher.next() for _ in range(5)]
    assert [(event.type, event.object["data"]["x"]) for event in events] == [
        ("ADDED", "1"),
        ("MODIFIED", "2"),
        ("DELETED", "2"),  # the last state that was selected
        ("ADDED", "5"),
        ("DELETED", "5"),
    ]
    versions = [int(event.object["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    await watcher.stop()


async def test_pods_move_into_a_nodes_watch_when_they_are_bound(server: Server) -> None:
    client = server.client()
    start = (await client.list(PODS)).resource_version
    watcher = Watcher(client.watch(PODS, field_selector="spec.nodeName=n1", resource_version=start))
    await client.create(PODS, pod("a"))
    await client.create(PODS, pod("other"))
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a"}, "target": {"name": "n1"}}
    await client.create(PODS, binding, namespace="default", name="a", subresource="binding")
    assert await watcher.seen(1) == [("ADDED", "a")]
    assert watcher.quiet
    await watcher.stop()


async def test_a_watch_of_one_name(server: Server) -> None:
    client = server.client()
    start = (await client.list(CONFIGMAPS)).resource_version
    watcher = Watcher(
        client.watch(CONFIGMAPS, namespace="default", field_selector="metadata.name=b", resource_version=start)
    )
    await client.create(CONFIGMAPS, configmap("a"))
    await client.create(CONFIGMAPS, configmap("b"))
    await client.create(CONFIGMAPS, configmap("b", namespace="kube-system"))
    await client.delete(CONFIGMAPS, "b", namespace="default")
    assert await watcher.seen(2) == [("ADDED", "b"), ("DELETED", "b")]
    assert watcher.quiet
    await watcher.stop()


async def test_too_old_a_version_is_expired(server: Server, serve: Serve) -> None:
    made = await server.client().create(CONFIGMAPS, configmap("a"))
    async with serve() as later:  # its caches know nothing of what was before it
        watcher = Watcher(later.client().watch(CONFIGMAPS, resource_version="1"))
        with pytest.raises(Gone, match=r"too old resource version: 1 \((\d+)\)") as caught:
            await watcher.next()
        assert caught.value.reason == "Expired"
        watcher = Watcher(later.client().watch(CONFIGMAPS, namespace="default"))
        event = await watcher.next()
        assert event.object["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        await watcher.stop()


async def test_initial_events_end_with_a_bookmark_that_says_so(server: Server) -> None:
    client = server.client()
    await client.create(CONFIGMAPS, configmap("a"))
    watcher = Watcher(client.watch(CONFIGMAPS, namespace="default", send_initial_events=True, allow_bookmarks=True))
    assert await watcher.seen(1) == [("ADDED", "a")]
    bookmark = await watcher.next()
    assert bookmark.type == "BOOKMARK"
    assert bookmark.object["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    page = await client.list(CONFIGMAPS, namespace="default")
    assert bookmark.object["metadata"]["resourceVersion"] == page.resource_version
    await watcher.stop()


async def test_bookmarks_and_the_end_of_the_time() -> None:
    clock = VirtualClock()
    async with serving(clock=clock) as server:
        client = server.client()
        page = await client.list(CONFIGMAPS)
        watcher = Watcher(
            client.watch(CONFIGMAPS, resource_version=page.resource_version, allow_bookmarks=True, timeout_seconds=90)
        )
        await clock.settle()
        made = await client.create(PODS, pod("elsewhere"))
        await clock.advance(seconds=59)
        assert watcher.quiet
        await clock.advance(seconds=2)
        bookmark = await watcher.next()
        assert bookmark.type == "BOOKMARK" and bookmark.object["kind"] == "ConfigMap"
        # The bookmark moves on with the whole store, so that a quiet resource's watch does not grow old.
        assert bookmark.object["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        await clock.advance(seconds=30)
        assert (await watcher.next()).type == "BOOKMARK"
        await watcher.ended()


async def test_tables(server: Server) -> None:
    client = server.client()
    await client.create(CONFIGMAPS, configmap("a", x="1", y="2"))
    table = await client.list_document(CONFIGMAPS, namespace="default", representation=Representation.TABLE)
    assert table["kind"] == "Table"
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"][:2] == ["a", 2]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    watcher = Watcher(client.watch(CONFIGMAPS, namespace="default", representation=Representation.TABLE))
    first = (await watcher.next()).object
    assert first["columnDefinitions"] and first["rows"][0]["cells"][0] == "a"
    await client.create(CONFIGMAPS, configmap("b"))
    second = (await watcher.next()).object
    assert not second["columnDefinitions"] and second["rows"][0]["cells"][0] == "b"
    await watcher.stop()
