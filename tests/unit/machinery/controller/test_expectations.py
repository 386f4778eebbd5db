"""Acts count as seen when the cache shows them, or is past them."""

from __future__ import annotations

from typing import Any

import pytest

from actors import VirtualClock
from machinery.controller.expectations import EXPIRY, Expectations
from machinery.informer import Store

POD: dict[str, Any] = {"metadata": {"namespace": "ns", "name": "p", "uid": "u", "resourceVersion": "5"}}


@pytest.fixture
def store() -> Store:
    store = Store()
    store.resource_version = "4"
    return store


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def test_nothing_done_is_satisfied(store: Store, clock: VirtualClock) -> None:
    assert Expectations(store, clock).satisfied("k")


def test_a_write_is_seen_when_the_cache_holds_it(store: Store, clock: VirtualClock) -> None:
    expectations = Expectations(store, clock)
    expectations.wrote("k", POD)
    assert not expectations.satisfied("k")
    assert expectations.satisfied("other")
    store.put(POD)
    assert expectations.satisfied("k")


@pytest.mark.parametrize(("version", "seen"), [("4", False), ("5", True), ("12", True), ("opaque", False)])
def test_a_write_is_seen_when_the_cache_is_past_it(store: Store, clock: VirtualClock, version: str, seen: bool) -> None:
    expectations = Expectations(store, clock)
    expectations.wrote("k", POD)
    store.resource_version = version
    assert expectations.satisfied("k") is seen


@pytest.mark.parametrize(
    ("held", "seen"),
    [
        pytest.param(POD, False, id="as it was"),
        pytest.param(None, True, id="gone"),
        pytest.param({"metadata": {**POD["metadata"], "uid": "another"}}, True, id="a successor"),
        pytest.param({"metadata": {**POD["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}, True, id="going"),
    ],
)
def test_a_deletion_is_seen(store: Store, clock: VirtualClock, held: dict[str, Any] | None, seen: bool) -> None:
    expectations = Expectations(store, clock)
    expectations.deleted("k", POD)
    if held is not None:
        store.put(held)
    assert expectations.satisfied("k") is seen


async def test_what_the_cache_never_shows_is_given_up(store: Store, clock: VirtualClock) -> None:
    expectations = Expectations(store, clock)
    expectations.wrote("k", POD)
    await clock.advance(seconds=EXPIRY - 1)
    assert not expectations.satisfied("k")
    await clock.advance(seconds=1)
    assert expectations.satisfied("k")
