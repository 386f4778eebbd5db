"""The server over stores that misbehave as stores do: streams break, history is compacted, others write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest

from apiserver.storage.etcd import EtcdClient
from apiserver.storage.store import Store, Stored
from machinery.client.api import PatchType
from machinery.errors import AlreadyExists, InternalError, ServiceUnavailable
from machinery.rpc import Channel, Code, RpcError, Stub
from protos.pool import Method, messages
from tests.integration.conftest import Serve
from tests.support.inprocess import CONFIGMAPS, Server, configmap, serving


class Flaky:
    """A channel whose streams can be cut, and whose calls can be refused."""

    def __init__(self, inner: Channel) -> None:
        self._inner = inner
        self._cut = asyncio.Event()
        self.down = False
        self.held: asyncio.Event | None = None

    async def unary(
        self, method: Method, request: Any, *, timeout: float | None, metadata: Mapping[str, str | bytes] | None
    ) -> Any:
        if self.down:
            raise RpcError(Code.UNAVAILABLE, "failed to connect to all addresses")
        return await self._inner.unary(method, request, timeout=timeout, metadata=metadata)

    async def stream(
        self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None
    ) -> AsyncIterator[Any]:
        if self.down:
            raise RpcError(Code.UNAVAILABLE, "failed to connect to all addresses")
        cut = self._cut
        replies = self._inner.stream(method, request, metadata=metadata)
        reading: asyncio.Future[Any] | None = None
        try:
            while True:
                reading = asyncio.ensure_future(anext(replies))
                waiting = asyncio.ensure_future(cut.wait())
                await asyncio.wait((reading, waiting), return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if cut.is_set():
                    raise RpcError(Code.UNAVAILABLE, "the connection broke")
                yield reading.result()
        finally:
            if reading is not None:
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, RpcError):
                    await reading
            await replies.aclose()  # type: ignore[attr-defined]  # it is a generator

    def cut(self) -> None:
        self._cut.set()
        self._cut = asyncio.Event()

    async def close(self) -> None:
        await self._inner.close()


@pytest.fixture
async def flaky(serve: Serve, store: Channel) -> AsyncIterator[tuple[Server, Flaky]]:
    """A server over a store whose connection can break."""
    channel = Flaky(store)
    async with serve(etcd=channel) as server:
        yield server, channel


async def test_a_broken_stream_resumes_without_a_gap(flaky: tuple[Server, Flaky]) -> None:
    server, channel = flaky
    client = server.client()
    made = await client.create(CONFIGMAPS, configmap("a", n="0"))
    seen: list[str] = []

    async def follow() -> None:
        async for event in client.watch(CONFIGMAPS, resource_version=made["metadata"]["resourceVersion"]):
            seen.append(event.object["data"]["n"])
            if seen[-1] == "30":
                return

    following = asyncio.ensure_future(follow())
    for number in range(1, 31):
        if number % 10 == 0:
            channel.cut()
        await client.patch(CONFIGMAPS, "a", {"data": {"n": str(number)}}, PatchType.MERGE, namespace="default")
    found = await client.get(CONFIGMAPS, "a", namespace="default")  # waits until the caches have it
    assert found["data"]["n"] == "30"
    await asyncio.wait_for(following, 5)
    assert seen == [str(number) for number in range(1, 31)]


class Deaf:
    """A channel over which every other progress request goes unanswered, as etcd leaves one while a watch is behind."""

    def __init__(self, inner: Channel) -> None:
        self._inner = inner
        self.unary, self.close = inner.unary, inner.close

    def stream(self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None) -> AsyncIterator[Any]:
        return self._inner.stream(method, self._kept(request), metadata=metadata)

    async def _kept(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        asked = 0
        async for each in requests:
            if each.HasField("progress_request"):
                asked += 1
                if asked % 2:
                    continue
            yield each


async def test_progress_is_asked_for_again_until_it_is_told(serve: Serve, store: Channel) -> None:
    """A list waits for a revision that no event brings; the store may leave the question for it unanswered."""
    channel = Deaf(store)
    async with serve(etcd=channel) as server:
        client = server.client()
        await client.create(CONFIGMAPS, configmap("a"))
        kv = Stub(store, "etcdserverpb.KV")
        for _ in range(3):
            await kv.Put(messages("etcdserverpb").PutRequest(key=b"not/ours"))
            async with asyncio.timeout(5):
                assert len((await client.list(CONFIGMAPS, namespace="default")).items) == 1


async def test_history_that_is_gone_starts_the_caches_anew(flaky: tuple[Server, Flaky]) -> None:
    server, channel = flaky
    client = server.client()
    await client.create(CONFIGMAPS, configmap("a"))
    ended = await _following(server)
    channel.cut()
    other = server.etcd
    for number in range(3):
        await other.create(b"configmaps/default/x%d" % number, b'{"apiVersion":"v1","kind":"ConfigMap",'
                           b'"metadata":{"name":"x%d","namespace":"default","uid":"u"}}' % number)  # fmt: skip
    await server.compact(other.last_written)
    page = await client.list(CONFIGMAPS, namespace="default")
    assert [item["metadata"]["name"] for item in page.items] == ["a", "x0", "x1", "x2"]
    await asyncio.wait_for(ended, 5)  # watchers are sent through list and watch again


async def test_a_store_that_was_set_back_starts_the_caches_anew(serve: Serve, store: Channel) -> None:
    """As etcd's `snapshot restore` does: the same objects, at revisions that were seen before."""
    async with serving() as before, serve() as after:
        await after.client().create(CONFIGMAPS, configmap("a", of="after"))
        await before.client().create(CONFIGMAPS, configmap("a", of="before"))
        ahead = EtcdClient(before.store, before.clock)
        while ahead.last_written <= await after.etcd.revision():
            await ahead.kv.Put(ahead.pb.PutRequest(key=b"/elsewhere"))
            ahead.last_written = await ahead.revision()
        channel = Flaky(before.store)
        async with serving(etcd=channel) as server:
            ended = await _following(server)
            assert (await server.client().get(CONFIGMAPS, "a", namespace="default"))["data"] == {"of": "before"}
            server.api._etcd.root = after.etcd.root
            channel._inner = after.store
            channel.cut()
            await asyncio.wait_for(ended, 5)
            found = await server.client().list(CONFIGMAPS, namespace="default")
            assert [item["data"] for item in found.items] == [{"of": "after"}]
            assert int(found.resource_version) < ahead.last_written
            made = await server.client().create(CONFIGMAPS, configmap("b"))
            assert await server.client().get(CONFIGMAPS, "b", namespace="default") == made


async def _following(server: Server) -> asyncio.Future[None]:
    """A watch that has begun; done when it ends."""
    events = server.client().watch(CONFIGMAPS, resource_version="0")
    await asyncio.wait_for(anext(events), 5)

    async def drain() -> None:
        async for _ in events:
            pass

    return asyncio.ensure_future(drain())


async def test_a_store_out_of_reach_is_503_until_it_is_back(flaky: tuple[Server, Flaky]) -> None:
    server, channel = flaky
    client = server.client()
    await client.create(CONFIGMAPS, configmap("a"))
    channel.down = True
    with pytest.raises(ServiceUnavailable, match="the store does not answer"):
        await client.create(CONFIGMAPS, configmap("b"))
    with pytest.raises(ServiceUnavailable):
        await client.get(CONFIGMAPS, "a", namespace="default")
    channel.down = False
    await client.create(CONFIGMAPS, configmap("b"))


async def test_a_value_that_is_no_object_harms_nothing_else(serve: Serve) -> None:
    async with serve() as server:
        client = server.client()
        await client.create(CONFIGMAPS, configmap("a"))
        await server.etcd.create(b"configmaps/default/bad", b"k8s\0\n\x0f garbage")
        page = await client.list(CONFIGMAPS, namespace="default")
        assert [item["metadata"]["name"] for item in page.items] == ["a"]
        with pytest.raises(InternalError, match=r"what is stored at /test-.*/configmaps/default/bad is no object"):
            await client.delete(CONFIGMAPS, "bad", namespace="default")
        async with serve() as later:
            assert len((await later.client().list(CONFIGMAPS)).items) == 1


async def test_two_servers_see_each_others_writes_at_once(serve: Serve) -> None:
    async with serve() as one, serve() as two:
        for number in range(20):
            await one.client().create(CONFIGMAPS, configmap(f"c{number}", by="one"))
            found = await two.client().get(CONFIGMAPS, f"c{number}", namespace="default")
            change = {"data": {"by": "two"}}
            await two.client().patch(CONFIGMAPS, f"c{number}", change, PatchType.MERGE, namespace="default")
            page = await one.client().list(CONFIGMAPS, namespace="default")
            assert page.items[-1]["metadata"]["uid"] and found["data"]["by"] == "one"
            assert {item["data"]["by"] for item in page.items} == {"two"}


async def test_concurrent_changes_are_all_kept(serve: Serve) -> None:
    """A change is made again on what somebody else left: none is lost, whoever wins."""
    async with serve() as one, serve() as two:
        await one.client().create(CONFIGMAPS, configmap("a"))

        async def put(server: Server, key: str) -> None:
            await server.client().patch(CONFIGMAPS, "a", {"data": {key: key}}, PatchType.MERGE, namespace="default")

        await asyncio.gather(
            *(put(server, f"{name}{n}") for n in range(20) for name, server in (("x", one), ("y", two)))
        )
        found = await two.client().get(CONFIGMAPS, "a", namespace="default")
        assert len(found["data"]) == 40


async def test_a_decision_on_an_old_copy_is_made_again(serve: Serve) -> None:
    """What a change function says of the cache's copy counts only if that is the newest."""
    async with serve() as server:
        spec = server.api.resources.find(CONFIGMAPS)
        assert spec is not None
        await server.client().create(CONFIGMAPS, configmap("a", x="1"))
        store: Store = server.api._store
        await server.client().get(CONFIGMAPS, "a", namespace="default")
        # Written past the server, and not yet in its caches: no await lets the event in before the update begins.
        key = b"configmaps/default/a"
        entry = server.api.caches.peek(spec).get("default/a")  # type: ignore[union-attr]  # it is loaded
        assert entry is not None
        newer = orjson.dumps({"apiVersion": "v1", "kind": "ConfigMap", **configmap("a", x="2")})
        await store.etcd.swap(key, newer, expected=entry.revision)
        asked: list[str] = []

        async def refuse(stored: Stored) -> dict[str, Any]:
            asked.append(stored.obj["data"]["x"])
            raise AlreadyExists("no")

        with pytest.raises(AlreadyExists):
            await store.update(spec, "default", "a", refuse)
        assert asked[-1] == "2"
