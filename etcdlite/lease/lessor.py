"""The actor that lets leases run out: one timer, on the nearest deadline."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from actors import Actor, DeadRef, MailboxSpec, Overflow, Timer
from etcdlite.errors import LeaseNotFound, StoreError
from etcdlite.parts import Parts

CHECKPOINT_INTERVAL = 300.0
"""Seconds between writing down what is left of long leases, as in etcd."""


RETRY_INTERVAL = 3.0
"""Seconds until a lease that could not be ended is tried again, as in etcd."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The timer fired: some lease may be due."""


class Lessor(Actor):
    """Revokes each lease when its time is up; its keys go in one revision."""

    mailbox = MailboxSpec(capacity=1, overflow=Overflow.COALESCE, key=type)

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._timer: Timer | None = None
        self._due = 0.0
        self._not_before = float("-inf")

    async def setup(self) -> None:
        self._parts.store.leases_changed = self._arm
        self._arm()
        self.spawn(self._checkpoint(), name="checkpoint")

    async def handle(self, message: DeadlinePassed) -> None:
        store = self._parts.store
        due = store.state.leases.expired(self.clock.monotonic()) if self.clock.monotonic() >= self._not_before else ()
        for lease_id in due:
            try:
                await store.revoke(lease_id)
            except LeaseNotFound:
                continue  # a client revoked it while another was being revoked
            except StoreError as error:
                self.log.warning("lease cannot be ended lease=%x error=%s", lease_id, error)
                self._not_before = self.clock.monotonic() + RETRY_INTERVAL
                break
            self._parts.counts.leases_expired += 1
            self.log.info("lease expired lease=%x", lease_id)
        self._arm()

    async def teardown(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        """Set the timer to the nearest deadline. One that is set for earlier stays: it looks again when it fires."""
        deadline = self._parts.store.state.leases.next_deadline()
        if deadline is None:
            return
        deadline = max(deadline, self._not_before)
        if self._timer is not None and self._due <= deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = deadline
        self._timer = self.clock.call_later(max(deadline - self.clock.monotonic(), 0.0), self._fire)

    def _fire(self) -> None:
        self._timer = None
        with contextlib.suppress(DeadRef):
            self.ref.tell_nowait(DeadlinePassed())

    async def _checkpoint(self) -> None:
        while self._parts.store.committer.durable:
            await self.clock.sleep(CHECKPOINT_INTERVAL)
            try:
                await self._parts.store.checkpoint_leases(CHECKPOINT_INTERVAL)
            except StoreError as error:
                self.log.warning("what is left of leases cannot be written down error=%s", error)
