"""Progress notifications that come by themselves: from etcdlite and from etcd, told to send them often."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.etcd import EtcdClient, EtcdliteProcess, EtcdProcess, etcd_binary, etcd_version

pytestmark = pytest.mark.e2e

OFTEN = "--experimental-watch-progress-notify-interval=200ms"


@pytest.fixture(params=["etcdlite", "etcd"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EtcdClient]:
    if request.param == "etcd" and etcd_binary() is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    process = EtcdliteProcess(tmp_path, OFTEN) if request.param == "etcdlite" else EtcdProcess(tmp_path, OFTEN)
    process.start()
    client = process.client()
    yield client
    await client.channel.close()
    process.kill()


async def test_quiet_watches_are_told_how_far_they_are(store: EtcdClient) -> None:
    """Each under its own id, with the newest revision; who did not ask hears nothing, and news come before what tells
    of their revision."""
    async with store.watching() as watch:
        for watch_id, key, notify in ((1, b"quiet", True), (2, b"silent", False), (3, b"busy", True)):
            await watch.create(key, watch_id=watch_id, progress_notify=notify)
        notified: dict[int, list[int]] = {1: [], 3: []}
        told = newest = 0
        while min(len(revisions) for revisions in notified.values()) < 3:
            if told == newest:
                newest = (await store.put(b"busy" if newest % 3 else b"elsewhere")).header.revision
            response = await watch.next()
            revision = response.header.revision
            if response.events:
                assert response.watch_id == 3 and revision > max(notified[3], default=0)
            else:
                notified[response.watch_id].append(revision)
                told = revision
    assert all(revisions == sorted(revisions) for revisions in notified.values())
    assert notified[1][-1] > notified[1][0], "it moves on though nothing of the watch's own happened"


async def test_a_watch_that_begins_in_the_future_is_told_nothing_before(
    store: EtcdClient, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["store"] == "etcd" and etcd_version() < (3, 5, 8):
        pytest.skip("etcd before 3.5.8 tells of revisions before the watch begins")
    base = await store.revision()
    async with store.watching() as watch:
        await watch.create(b"k", watch_id=1, progress_notify=True, start_revision=base + 3)
        await watch.create(b"other", watch_id=2, progress_notify=True)
        heard = 0
        while (response := await watch.next()).watch_id == 2:
            heard += 1
            if response.header.revision < base + 3:
                await store.put(b"elsewhere")
        assert response.header.revision >= base + 2 and heard
