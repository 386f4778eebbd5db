"""Telling the API: one short-lived actor per binding and per preemption.

Bindings run side by side, as many as the cycle allows, and each tells the cycle how it ended, also when it is cancelled
or crashes: what was assumed is then forgotten.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actors import Actor, DeadRef, Ref
from machinery.client.api import Client, DeleteOptions, Object, PatchType
from machinery.client.resources import PODS
from machinery.controller.recorder import Recorder
from machinery.errors import ApiError, NotFound
from machinery.objects import timefmt
from scheduler.demand import PodInfo
from scheduler.preemption import TARGET, TARGET_REASON

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BindingEnded:
    """The binding of this pod (this uid) ended; `error` is None when the API took it."""

    key: str
    uid: str
    node_name: str
    error: ApiError | None


class Binding(Actor):
    """Posts one Binding."""

    def __init__(self, info: PodInfo, node_name: str, *, client: Client, owner: Ref) -> None:
        self._info = info
        self._node_name = node_name
        self._client = client
        self._owner = owner
        self._error: ApiError | None = ApiError("the binding was interrupted")

    async def setup(self) -> None:
        self.spawn(self._bind(), name="bind")

    async def teardown(self) -> None:
        info = self._info
        try:
            await self._owner.tell(BindingEnded(info.key, info.uid, self._node_name, self._error))
        except DeadRef:
            log.debug("binding ended after its scheduler pod=%s", info.key)

    async def _bind(self) -> None:
        info = self._info
        document: Object = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": info.name, "namespace": info.namespace, "uid": info.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._node_name},
        }
        try:
            await self._client.create(PODS, document, namespace=info.namespace, name=info.name, subresource="binding")
            self._error = None
        except ApiError as error:
            self._error = error
        self.finish()


class Preempting(Actor):
    """Marks and deletes the victims of one pod."""

    def __init__(
        self,
        preemptor: PodInfo,
        node_name: str,
        victims: Sequence[PodInfo],
        *,
        client: Client,
        recorder: Recorder,
        scheduler_name: str,
    ) -> None:
        self._preemptor = preemptor
        self._node_name = node_name
        self._victims = victims
        self._client = client
        self._recorder = recorder
        self._scheduler_name = scheduler_name

    async def setup(self) -> None:
        self.spawn(self._run(), name="preempt")

    async def _run(self) -> None:
        for victim in self._victims:
            try:
                await self._evict(victim)
            except NotFound:
                continue  # somebody else made the room
            except ApiError as error:
                log.warning("cannot preempt victim=%s pod=%s error=%s", victim.key, self._preemptor.key, error.message)
                break
            text = f"Preempted by pod {self._preemptor.uid} on node {self._node_name}"
            self._recorder.normal(victim.object, "Preempted", text)
        self.finish()

    async def _evict(self, victim: PodInfo) -> None:
        condition: dict[str, Any] = {
            "type": TARGET,
            "status": "True",
            "reason": TARGET_REASON,
            "message": f"{self._scheduler_name}: preempting to accommodate a higher priority pod",
            "lastTransitionTime": timefmt.format(self.clock.now()),
        }
        patch = {"metadata": {"uid": victim.uid}, "status": {"conditions": [condition]}}
        name, namespace = victim.name, victim.namespace
        await self._client.patch(PODS, name, patch, PatchType.STRATEGIC, namespace=namespace, subresource="status")
        await self._client.delete(PODS, name, namespace=namespace, options=DeleteOptions(uid=victim.uid))
