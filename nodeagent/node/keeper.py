"""Keeps one Node object: registers it, renews its lease, reports its status.

The lease says that the agent lives and costs one small write; the status is written when something changed, and else
only every few minutes (KEP 589).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors import Actor
from machinery.client.api import Client, Object, PatchType
from machinery.client.resources import LEASES, NODES
from machinery.controller.recorder import Recorder
from machinery.errors import AlreadyExists, ApiError, Conflict, NotFound
from machinery.objects import conditions, meta
from machinery.objects import node as nodes
from machinery.rpc import RpcError
from nodeagent.config import Config
from nodeagent.node import facts
from nodeagent.node import object as objects
from nodeagent.node.facts import Machine, Pressure
from nodeagent.runtime import images
from nodeagent.runtime.cri import Cri

FIRST_RETRY, LAST_RETRY = 0.2, 7.0


class NodeKeeper(Actor):
    """See the module. registered: called once the API holds the node."""

    def __init__(
        self,
        name: str,
        machine: Machine,
        *,
        config: Config,
        client: Client,
        cri: Cri,
        recorder: Recorder,
        root: Path | None,
        registered: Callable[[], None],
    ) -> None:
        self._name = name
        self._machine = machine
        self._config = config
        self._client = client
        self._cri = cri
        self._recorder = recorder
        self._root = root  # None for a fake node, which is never short of anything
        self._registered = registered
        self._node: Object = {}
        self._lease: Object | None = None
        self._reported = 0.0

    async def setup(self) -> None:
        self.spawn(self._keep(), name="keep")

    async def _keep(self) -> None:
        await self._register_until_done()
        self._registered()
        self.spawn(self._renew_for_ever(), name="lease")
        while True:
            await self.clock.sleep(self._config.status_seconds)
            try:
                await self._report()
            except NotFound:
                self.log.warning("node was deleted, registering again node=%s", self._name)
                await self._register_until_done()
            except (ApiError, RpcError) as error:
                self.log.warning("node status not written node=%s error=%s", self._name, error)

    # registration

    async def _register_until_done(self) -> None:
        delay = FIRST_RETRY
        while True:
            try:
                await self._register()
                return
            except (ApiError, RpcError) as error:
                self.log.info("node not registered yet node=%s error=%s", self._name, error)
            await self.clock.sleep(delay)
            delay = min(2 * delay, LAST_RETRY)

    async def _register(self) -> None:
        try:
            self._node = await self._client.get(NODES, self._name)
        except NotFound:
            wanted = objects.node(
                self._name,
                self._machine,
                await self._status({}),
                extra=self._config.labels,
                taints=self._config.taints,
            )
            try:
                self._node = await self._client.create(NODES, wanted)
            except AlreadyExists:
                self._node = await self._client.get(NODES, self._name)
            self._recorder.event(self._reference(), "Normal", "Starting", "Starting kubelet.")
        await self._reconcile_labels()
        if conditions.get(self._node, "Ready") is None or not nodes.is_ready(self._node):
            await self._report(at_once=True)
        self._reported = self.clock.monotonic()
        await self._renew()

    async def _reconcile_labels(self) -> None:
        wanted = objects.labels(self._name, self._machine, self._config.labels)
        held = meta.labels(self._node)
        changes = {key: value for key, value in wanted.items() if held.get(key) != value}
        if changes:
            patch = {"metadata": {"labels": changes}}
            self._node = await self._client.patch(NODES, self._name, patch, PatchType.MERGE)

    # status

    async def _report(self, *, at_once: bool = False) -> None:
        """Write the status when it changed or was not written for long."""
        if not at_once:
            self._node = await self._client.get(NODES, self._name)
        before = nodes.status(self._node)
        status = await self._status(before)
        due = self.clock.monotonic() - self._reported >= self._config.report_seconds
        if not (at_once or due or objects.differs(before, status)):
            return
        patch = {"status": status}
        self._node = await self._client.patch(NODES, self._name, patch, PatchType.STRATEGIC, subresource="status")
        self._reported = self.clock.monotonic()
        was, now = conditions.status_of({"status": before}, "Ready"), conditions.status_of(self._node, "Ready")
        if was != now:
            word = "NodeReady" if now == "True" else "NodeNotReady"
            self._recorder.event(self._reference(), "Normal", word, f"Node {self._name} status is now: {word}")

    async def _status(self, before: Object) -> Object:
        try:
            problems = await self._cri.problems()
            held = images.names(await self._cri.images())
        except RpcError as error:
            problems, held = [f"container runtime is down: {error.message}"], before.get("images") or []
        return objects.status(
            self._machine,
            before=before,
            problems=problems,
            pressure=await self._pressure(),
            images=held,
            now=self.clock.now(),
        )

    async def _pressure(self) -> Pressure:
        if self._root is None:
            return Pressure()
        with self.clock.external("measure host"):
            return await asyncio.to_thread(facts.pressure, self._root)

    # lease

    async def _renew_for_ever(self) -> None:
        while True:
            await self.clock.sleep(self._config.lease_seconds / 4)
            try:
                await self._renew()
            except ApiError as error:
                self._lease = None
                self.log.warning("lease not renewed node=%s error=%s", self._name, error.message)

    async def _renew(self) -> None:
        """Renew the lease, making it when it is not there. What another wrote is read and written over, once."""
        namespace = nodes.LEASE_NAMESPACE
        for _ in range(2):
            try:
                if self._lease is None:
                    self._lease = await self._client.get(LEASES, self._name, namespace=namespace)
                self._lease = await self._client.update(LEASES, self._renewed(), namespace=namespace)
                return
            except NotFound:
                self._lease = None
                await self._make_lease(namespace)
                return
            except Conflict:
                self._lease = None

    async def _make_lease(self, namespace: str) -> None:
        try:
            self._lease = await self._client.create(LEASES, self._renewed(), namespace=namespace)
        except AlreadyExists:
            self._lease = None

    def _renewed(self) -> Object:
        return objects.lease(self._node, self._name, self._config.lease_seconds, self.clock.now(), self._lease)

    def _reference(self) -> dict[str, Any]:
        return {"kind": "Node", "name": self._name, "uid": self._name, "apiVersion": "v1"}
