"""Every request of `dialogues.py`, answered by the store as by the specification.

The specification is only as true as etcd says: the same dialogues run against a real one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from machinery.rpc import LocalChannel
from tests.contract.conftest import etcdlite_client
from tests.contract.dialogues import ALL, DIALOGUES
from tests.model.etcd_spec import EtcdSpec
from tests.support.answers import answer
from tests.support.etcd import EtcdClient, etcd_binary, pb, real_etcd

CALLS = {
    "RangeRequest": ("kv", "Range"),
    "PutRequest": ("kv", "Put"),
    "DeleteRangeRequest": ("kv", "DeleteRange"),
    "TxnRequest": ("kv", "Txn"),
    "CompactionRequest": ("kv", "Compact"),
    "LeaseGrantRequest": ("leases", "LeaseGrant"),
    "LeaseRevokeRequest": ("leases", "LeaseRevoke"),
    "LeaseTimeToLiveRequest": ("leases", "LeaseTimeToLive"),
    "LeaseLeasesRequest": ("leases", "LeaseLeases"),
}


@pytest.fixture(scope="module")
def lone_etcd() -> Iterator[str]:
    """An etcd whose whole key space belongs to these tests."""
    if etcd_binary() is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    with real_etcd() as address:
        yield address


@pytest.fixture(params=["memory", "file", "grpc", "etcd"])
async def empty_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EtcdClient]:
    if request.param == "etcd":
        from machinery.rpc.grpc_channel import GrpcChannel

        store = EtcdClient(GrpcChannel(request.getfixturevalue("lone_etcd")))
        await store.delete(**ALL)
        for lease in (await store.leases.LeaseLeases(pb.LeaseLeasesRequest())).leases:
            await store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=lease.ID))
        yield store
        await store.channel.close()
    else:
        async with etcdlite_client(request.param, tmp_path) as store:
            yield store


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda dialogue: dialogue.__name__)
async def test_dialogue(empty_store: EtcdClient, dialogue: Callable[[Callable[[int], int]], Iterator[Any]]) -> None:
    spec = EtcdClient(LocalChannel(EtcdSpec().services()))
    expected_base, base = await _begin(spec), await _begin(empty_store)
    expected = await _answers(spec, dialogue, expected_base)
    answers = await _answers(empty_store, dialogue, base)
    for number, (request, wanted) in enumerate(expected):
        assert answers[number][1] == wanted, f"request {number}: {request}"
    assert len(answers) == len(expected)


async def _begin(store: EtcdClient) -> int:
    """The revision to count from; all before it is compacted, in every store alike."""
    await store.put(b"begin")
    base = int((await store.delete(b"begin")).header.revision)
    await store.compact(base, physical=True)
    return base


async def _answers(
    store: EtcdClient, dialogue: Callable[[Callable[[int], int]], Iterator[Any]], base: int
) -> list[tuple[Any, Any]]:
    answers = []
    for request in dialogue(lambda number: base + number):
        part, name = CALLS[request.DESCRIPTOR.name]
        answers.append((request, _timeless(await answer(getattr(getattr(store, part), name)(request), base=base))))
    return answers


def _timeless(text: Any) -> Any:
    """Without what is left of a lease's time, which runs in some stores and not in others; its keys have no order."""
    if isinstance(text, str) and "grantedTTL" in text:
        return sorted(line for line in text.splitlines() if not line.startswith("TTL"))
    return text
