"""Leader election over a Lease: at most one of many alike processes works at a time.

The rule is client-go's. A candidate that sees the Lease free, or unchanged for the lease duration *by its own clock*
(never comparing its clock with the holder's), writes itself in; the write is conditional on what it read, so one wins.
The leader renews every retry period and, when it could not for the renew deadline, stops its work before anybody else
may begin: renew deadline < lease duration. On an ordered stop it gives the Lease back at once.
"""

from __future__ import annotations

import logging
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from actors import Actor
from machinery.client.api import Client, Object
from machinery.client.resources import LEASES
from machinery.controller.recorder import Recorder
from machinery.errors import ApiError, NotFound
from machinery.objects import timefmt

log = logging.getLogger(__name__)

JITTER = 1.2


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """Which Lease, who we are ("" makes a name of host and chance), and the three durations in seconds."""

    name: str
    namespace: str = "kube-system"
    identity: str = ""
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0

    def __post_init__(self) -> None:
        if not self.lease_duration > self.renew_deadline > self.retry_period * JITTER > 0:
            raise ValueError("leader election needs lease duration > renew deadline > retry period × 1.2 > 0")


class Candidate:
    """What one candidate makes of the Leases it reads. Pure."""

    def __init__(self, identity: str, lease_duration: float) -> None:
        self.identity = identity
        self._duration = lease_duration
        self._seen: Object | None = None
        self._seen_at = 0.0

    def observe(self, lease: Object, at: float) -> None:
        """A Lease was read, at this time of our own clock."""
        spec = lease.get("spec") or {}
        if self._seen is None or (self._seen.get("spec") or {}) != spec:
            self._seen, self._seen_at = lease, at

    @property
    def holder(self) -> str:
        """Who holds the Lease as it was last read; "" for nobody."""
        return str((((self._seen or {}).get("spec")) or {}).get("holderIdentity") or "")

    def may_take(self, at: float) -> bool:
        """Whether the Lease as observed is ours, free, or was not renewed for its holder's time."""
        spec = (self._seen or {}).get("spec") or {}
        held_for = float(spec.get("leaseDurationSeconds") or self._duration)
        return self.holder in ("", self.identity) or at - self._seen_at >= held_for

    def spec(self, now: datetime) -> Object:
        """The Lease's spec with us as its holder."""
        old = (self._seen or {}).get("spec") or {}
        ours = self.holder == self.identity
        stamp = timefmt.format_micro(now)
        transitions = int(old.get("leaseTransitions") or 0)
        return {
            **{key: value for key, value in old.items() if key in ("strategy", "preferredHolder")},
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(self._duration),
            "acquireTime": old.get("acquireTime") or stamp if ours else stamp,
            "renewTime": stamp,
            "leaseTransitions": transitions if ours or self._seen is None else transitions + 1,
        }


class Elector(Actor):
    """Runs for leader as long as it lives. `started` and `stopped` are awaited as we begin and cease to lead;
    `following` is called whenever we see that another leads."""

    def __init__(
        self,
        client: Client,
        settings: LeaseSettings,
        *,
        started: Callable[[], Awaitable[None]],
        stopped: Callable[[], Awaitable[None]],
        following: Callable[[str], None] = lambda leader: None,
        recorder: Recorder | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._started = started
        self._stopped = stopped
        self._following = following
        self._recorder = recorder
        self._random = random.Random()
        suffix = f"{self._random.getrandbits(64):016x}"
        self._candidate = Candidate(settings.identity or f"{socket.gethostname()}_{suffix}", settings.lease_duration)
        self.leading = False

    async def setup(self) -> None:
        self.spawn(self._run(), name="run")

    async def teardown(self) -> None:
        if self.leading:
            self.leading = False
            await self._release()

    async def _run(self) -> None:
        retry = self._settings.retry_period
        while True:
            while not await self._try():
                await self.clock.sleep(retry * (1.0 + (JITTER - 1.0) * self._random.random()))
            self.leading = True
            log.info("became leader lease=%s identity=%s", self._settings.name, self._candidate.identity)
            self._tell("became leader")
            await self._started()
            await self._keep()
            self.leading = False
            log.warning("stopped leading lease=%s identity=%s", self._settings.name, self._candidate.identity)
            self._tell("stopped leading")
            await self._stopped()

    async def _keep(self) -> None:
        """Renew until it did not work for the renew deadline, or somebody else holds the Lease."""
        renewed = self.clock.monotonic()
        while self.clock.monotonic() - renewed < self._settings.renew_deadline:
            await self.clock.sleep(self._settings.retry_period)
            try:
                async with self.clock.timeout(self._settings.renew_deadline):
                    ours = await self._try()
            except TimeoutError:
                return
            if ours:
                renewed = self.clock.monotonic()
            elif self._candidate.holder != self._candidate.identity:
                return

    async def _try(self) -> bool:
        """One attempt to get or renew the Lease; whether it is ours now."""
        settings, candidate = self._settings, self._candidate
        try:
            try:
                lease = await self._client.get(LEASES, settings.name, namespace=settings.namespace)
            except NotFound:
                lease = await self._client.create(
                    LEASES,
                    {
                        "apiVersion": LEASES.api_version,
                        "kind": "Lease",
                        "metadata": {"name": settings.name, "namespace": settings.namespace},
                        "spec": candidate.spec(self.clock.now()),
                    },
                )
                candidate.observe(lease, self.clock.monotonic())
                return True
            candidate.observe(lease, self.clock.monotonic())
            if not candidate.may_take(self.clock.monotonic()):
                self._following(candidate.holder)
                return False
            lease = await self._client.update(LEASES, {**lease, "spec": candidate.spec(self.clock.now())})
        except ApiError as error:
            log.debug("lease not taken lease=%s error=%s", settings.name, error.message)
            return False
        candidate.observe(lease, self.clock.monotonic())
        return True

    async def _release(self) -> None:
        settings = self._settings
        try:
            lease = await self._client.get(LEASES, settings.name, namespace=settings.namespace)
            spec = lease.get("spec") or {}
            if spec.get("holderIdentity") != self._candidate.identity:
                return
            stamp = timefmt.format_micro(self.clock.now())
            free = {**spec, "leaseDurationSeconds": 1, "renewTime": stamp, "acquireTime": stamp}
            del free["holderIdentity"]  # an empty one is not valid
            await self._client.update(LEASES, {**lease, "spec": free})
        except ApiError as error:
            log.info("lease not released, it will expire lease=%s error=%s", settings.name, error.message)

    def _tell(self, what: str) -> None:
        if self._recorder is None:
            return
        about: Object = {
            "kind": "Lease",
            "apiVersion": LEASES.api_version,
            "name": self._settings.name,
            "namespace": self._settings.namespace,
        }
        self._recorder.normal(about, "LeaderElection", f"{self._candidate.identity} {what}")
