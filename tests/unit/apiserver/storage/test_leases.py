from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import VirtualClock
from apiserver.storage import leases as module
from apiserver.storage.leases import Leases
from machinery.rpc import Call, Code, LocalChannel, RpcError
from protos.pool import messages

pb = messages("etcdserverpb")


class Granting:
    """Grants leases 1, 2, ...; `hold` keeps the answers back."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.fails = False
        self.hold = asyncio.Event()
        self.hold.set()
        self.heard = asyncio.Event()

    async def LeaseGrant(self, request: Any, call: Call) -> Any:
        self.asked.append(request.TTL)
        self.heard.set()
        number = len(self.asked)
        await self.hold.wait()
        if self.fails:
            raise RpcError(Code.UNAVAILABLE, "Socket closed")
        return pb.LeaseGrantResponse(ID=number, TTL=request.TTL)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def store() -> Granting:
    return Granting()


@pytest.fixture
def leases(store: Granting, clock: VirtualClock) -> Leases:
    return Leases(LocalChannel({"etcdserverpb.Lease": store}, clock=clock), clock)


@pytest.mark.parametrize(("seconds", "shared", "granted"), [(3600.0, 60.0, 3660), (100.0, 5.0, 105), (10.0, 0.5, 11)])
async def test_a_lease_is_shared_for_a_while(
    leases: Leases, store: Granting, clock: VirtualClock, seconds: float, shared: float, granted: int
) -> None:
    assert [await leases.lease(seconds) for _ in range(3)] == [1, 1, 1]
    assert store.asked == [granted]
    await clock.advance(seconds=shared)
    assert await leases.lease(seconds) == 2


async def test_a_lease_has_so_many_objects_at_most(leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARED_OBJECTS", 3)
    assert [await leases.lease(3600.0) for _ in range(7)] == [1, 1, 1, 2, 2, 2, 3]


async def test_who_asks_at_the_same_time_gets_the_same(leases: Leases, store: Granting) -> None:
    store.hold.clear()
    asking = [asyncio.ensure_future(leases.lease(3600.0)) for _ in range(5)]
    await asyncio.sleep(0)
    asking[2].cancel()
    store.hold.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert [each for each in found if each == 1] == [1, 1, 1, 1]
    assert store.asked == [3660]


async def test_others_try_themselves_when_the_first_fails(leases: Leases, store: Granting) -> None:
    store.fails = True
    store.hold.clear()
    asking = [asyncio.ensure_future(leases.lease(3600.0)) for _ in range(2)]
    await store.heard.wait()
    store.hold.set()
    for each in asking:
        with pytest.raises(RpcError, match="Socket closed"):
            await each
    assert len(store.asked) == 2
    store.fails = False
    assert await leases.lease(3600.0) == 3
