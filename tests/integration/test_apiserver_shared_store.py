"""A store that is not this server's alone, and whose answers get lost: over every kind of store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from machinery.client.api import PatchType
from machinery.errors import AlreadyExists, NotFound, ServiceUnavailable, Timeout
from machinery.objects.gvk import GVR
from machinery.rpc import Channel, Code, RpcError
from protos.pool import Method
from tests.integration.conftest import Serve
from tests.support.inprocess import CONFIGMAPS, Server, configmap, serving

EVENTS = GVR("", "v1", "events")


async def names(server: Server) -> list[str]:
    page = await server.client().list(CONFIGMAPS, namespace="default")
    return [item["metadata"]["name"] for item in page.items]


async def test_servers_under_other_prefixes_do_not_see_each_other(serve: Serve) -> None:
    async with serve() as one, serve(prefix="/other/place") as two:
        made = await one.client().create(CONFIGMAPS, configmap("a", of="one"))
        events = two.client().watch(CONFIGMAPS, namespace="default", timeout_seconds=3600)
        await two.client().create(CONFIGMAPS, configmap("a", of="two"))
        event = await asyncio.wait_for(anext(events), 5)
        assert event.object["data"] == {"of": "two"}
        await one.client().create(CONFIGMAPS, configmap("b"))
        assert await names(one) == ["a", "b"] and await names(two) == ["a"]
        await two.client().delete(CONFIGMAPS, "a", namespace="default")
        assert (await asyncio.wait_for(anext(events), 5)).type == "DELETED"
        assert (await one.client().get(CONFIGMAPS, "a", namespace="default"))["metadata"] == made["metadata"]
        await events.aclose()  # type: ignore[attr-defined]  # a generator


async def test_what_others_keep_in_the_store_holds_up_no_read(server: Server) -> None:
    """The store's revision moves on without an event of ours: no read waits for one."""
    pb, client = server.etcd.pb, server.client()
    await client.create(CONFIGMAPS, configmap("a"))
    for number in range(5):
        elsewhere = pb.PutRequest(key=b"/elsewhere%s" % server.etcd.root, value=b"%d" % number)
        await server.etcd.kv.Put(elsewhere)
        async with asyncio.timeout(2):
            assert await names(server) == ["a"]
            page = await client.list(CONFIGMAPS, namespace="default")
            again = await client.list(CONFIGMAPS, namespace="default", resource_version=page.resource_version)
            assert int(again.resource_version) >= int(page.resource_version) and len(again.items) == 1


async def test_a_change_by_others_is_read_at_once_beside_what_is_no_object(server: Server) -> None:
    client, other = server.client(), server.etcd
    await client.create(CONFIGMAPS, configmap("a"))
    await other.create(b"configmaps/default/strange", b"no object")
    assert await names(server) == ["a"]
    value = (await other.get(b"configmaps/default/a")).value.replace(b'"a"', b'"b"')  # type: ignore[union-attr]  # it is there
    for _ in range(5):
        made = await other.create(b"configmaps/default/b", value)
        assert made and await names(server) == ["a", "b"]
        await other.remove(b"configmaps/default/b", expected=made)
        assert await names(server) == ["a"]


async def test_lists_that_follow_each_other_do_not_go_back(server: Server) -> None:
    pb, seen = server.etcd.pb, 0
    for number in range(4):
        await server.etcd.kv.Put(pb.PutRequest(key=b"/elsewhere%s" % server.etcd.root, value=b"%d" % number))
        page = await server.client().list(CONFIGMAPS, namespace="default")
        assert int(page.resource_version) >= seen
        seen = int(page.resource_version)
        await server.client().create(CONFIGMAPS, configmap(f"c{number}"))


async def test_events_share_a_lease(server: Server) -> None:
    for number in range(3):
        event = {
            "metadata": {"name": f"e{number}", "namespace": "default"},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
            "reason": "Tested",
        }
        await server.client().create(EVENTS, event)
    await server.client().create(CONFIGMAPS, configmap("a"))
    pb, root = server.etcd.pb, server.etcd.root

    async def lease(key: bytes) -> int:
        reply = await server.etcd.kv.Range(pb.RangeRequest(key=root + key))
        return int(reply.kvs[0].lease)

    assert await lease(b"configmaps/default/a") == 0
    leases = {await lease(b"events/default/e%d" % number) for number in range(3)}
    assert len(leases) == 1 and 0 not in leases


class Versioned:
    """A channel to a store that says it is some release, and counts what it is asked for progress."""

    def __init__(self, inner: Channel, version: str) -> None:
        self._inner = inner
        self._version = version
        self.asked = 0

    async def unary(
        self, method: Method, request: Any, *, timeout: float | None, metadata: Mapping[str, str | bytes] | None
    ) -> Any:
        reply = await self._inner.unary(method, request, timeout=timeout, metadata=metadata)
        if not method.path.endswith("/Status"):
            return reply
        changed = type(reply)()
        changed.CopyFrom(reply)
        changed.version = self._version
        return changed

    def stream(self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None) -> AsyncIterator[Any]:
        return self._inner.stream(method, self._counted(request), metadata=metadata)

    async def _counted(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            self.asked += request.WhichOneof("request_union") == "progress_request"
            yield request

    async def close(self) -> None:
        await self._inner.close()


@pytest.mark.parametrize("version", ["3.4.23", "3.5.12"])
async def test_a_release_whose_progress_is_not_true_is_not_asked_for_it(
    serve: Serve, store: Channel, version: str
) -> None:
    channel = Versioned(store, version)
    async with serve(etcd=channel) as server:
        await test_what_others_keep_in_the_store_holds_up_no_read(server)
    async with serve(etcd=channel, prefix=f"/of-{version}") as server:
        await test_a_change_by_others_is_read_at_once_beside_what_is_no_object(server)
    assert channel.asked == 0


async def test_a_release_whose_progress_is_true_is_asked_for_it() -> None:
    async with serving() as first:
        channel = Versioned(first.store, "3.5.13")
        async with serving(etcd=channel, prefix="/asked") as server:
            await test_what_others_keep_in_the_store_holds_up_no_read(server)
            assert channel.asked >= 5


class Losing:
    """A channel that loses answers of transactions: "" loses none, "answer" carries them out before, "request" never
    does; "reads" loses the answers, and reads fail as well."""

    def __init__(self, inner: Channel) -> None:
        self._inner = inner
        self.loses = ""
        self.sent = 0

    async def unary(
        self, method: Method, request: Any, *, timeout: float | None, metadata: Mapping[str, str | bytes] | None
    ) -> Any:
        writes = method.path.endswith("/Txn")
        if self.loses == "reads" and not writes:
            raise RpcError(Code.UNAVAILABLE, "failed to connect to all addresses")
        if not self.loses or not writes:
            return await self._inner.unary(method, request, timeout=timeout, metadata=metadata)
        self.sent += 1
        if self.loses != "request":
            await self._inner.unary(method, request, timeout=timeout, metadata=metadata)
        raise RpcError(Code.UNAVAILABLE, "etcdserver: request timed out")

    def stream(self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None) -> AsyncIterator[Any]:
        return self._inner.stream(method, request, metadata=metadata)

    async def close(self) -> None:
        await self._inner.close()


@pytest.fixture
async def losing(serve: Serve, store: Channel) -> AsyncIterator[tuple[Server, Losing]]:
    channel = Losing(store)
    async with serve(etcd=channel) as server:
        yield server, channel


async def test_a_creation_whose_answer_is_lost_is_found(losing: tuple[Server, Losing]) -> None:
    server, channel = losing
    channel.loses = "answer"
    made = await server.client().create(CONFIGMAPS, {"metadata": {"generateName": "a-"}}, namespace="default")
    assert channel.sent == 1
    channel.loses = ""
    found = await server.client().get(CONFIGMAPS, made["metadata"]["name"], namespace="default")
    assert found == made
    assert len(await names(server)) == 1


@pytest.mark.parametrize("loses", ["request", "reads"])
async def test_a_creation_that_is_not_known_is_no_success_and_sent_once(
    losing: tuple[Server, Losing], loses: str
) -> None:
    server, channel = losing
    channel.loses = loses
    with pytest.raises(
        Timeout, match="did not confirm the write, which may have been made: etcdserver: request"
    ) as caught:
        await server.client().create(CONFIGMAPS, {"metadata": {"generateName": "a-"}}, namespace="default")
    assert caught.value.code == 504 and not caught.value.retry_after  # client-go would send it again by itself
    assert channel.sent == 1
    channel.loses = ""
    assert len(await names(server)) == (0 if loses == "request" else 1)


async def test_a_name_that_is_somebody_elses_is_not_taken_for_a_lost_creation(losing: tuple[Server, Losing]) -> None:
    server, channel = losing
    await server.client().create(CONFIGMAPS, configmap("a", x="1"))
    channel.loses = "answer"
    with pytest.raises(Timeout):
        await server.client().create(CONFIGMAPS, configmap("a", x="1"))
    channel.loses = ""
    with pytest.raises(AlreadyExists):
        await server.client().create(CONFIGMAPS, configmap("a", x="1"))


async def test_a_change_whose_answer_is_lost_is_made_once(losing: tuple[Server, Losing]) -> None:
    server, channel = losing
    client = server.client()
    made = await client.create(CONFIGMAPS, configmap("a", n="0"))
    channel.loses = "answer"
    with pytest.raises(Timeout):
        await client.patch(CONFIGMAPS, "a", {"data": {"n": "1"}}, PatchType.MERGE, namespace="default")
    assert channel.sent == 1
    channel.loses = ""
    found = await client.get(CONFIGMAPS, "a", namespace="default")
    assert found["data"] == {"n": "1"}
    assert int(found["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    channel.loses = "answer"
    with pytest.raises(Timeout):
        await client.delete(CONFIGMAPS, "a", namespace="default")
    channel.loses = ""
    with pytest.raises(NotFound):
        await client.get(CONFIGMAPS, "a", namespace="default")


async def test_what_never_left_may_be_sent_again(losing: tuple[Server, Losing]) -> None:
    server, channel = losing
    channel.loses = "reads"
    with pytest.raises(ServiceUnavailable, match="the store does not answer") as caught:
        await server.client().get(CONFIGMAPS, "a", namespace="default")
    assert caught.value.retry_after == 1
