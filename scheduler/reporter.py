"""Writing into a pod's status why it is not scheduled, and where it is nominated.

One report per pod waits at a time: a newer one replaces it. What cannot be written is dropped; the next attempt writes
again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from actors import Actor, MailboxSpec
from machinery.client.api import Client, Object, PatchType
from machinery.client.resources import PODS
from machinery.errors import ApiError, Conflict, NotFound
from machinery.objects import conditions, timefmt
from scheduler.demand import PodInfo

log = logging.getLogger(__name__)

CONDITION = "PodScheduled"
UNSCHEDULABLE = "Unschedulable"
SCHEDULER_ERROR = "SchedulerError"


@dataclass(frozen=True, slots=True)
class Unscheduled:
    """An attempt failed. `nominated`: the node to write, "" to clear it, None to leave it."""

    info: PodInfo
    reason: str
    message: str
    nominated: str | None = None


class Reporter(Actor):
    """See the module."""

    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=100_000, key=lambda message: message.info.key)

    def __init__(self, client: Client) -> None:
        self._client = client

    async def handle(self, message: Unscheduled) -> None:
        patch = status_patch(message, self.clock.now())
        if patch is None:
            return
        info = message.info
        try:
            await self._client.patch(
                PODS, info.name, patch, PatchType.STRATEGIC, namespace=info.namespace, subresource="status"
            )
        except (NotFound, Conflict):
            log.debug("pod is gone, nothing to report pod=%s", info.key)
        except ApiError as error:
            log.warning("cannot report pod=%s error=%s", info.key, error.message)


def status_patch(message: Unscheduled, now: datetime) -> Object | None:
    """The strategic merge patch of the pod's status; None when it says all of that already."""
    pod = message.info.object
    status: dict[str, Any] = {}
    if message.nominated is not None and message.nominated != str(
        (pod.get("status") or {}).get("nominatedNodeName") or ""
    ):
        status["nominatedNodeName"] = message.nominated or None
    known: Mapping[str, Any] = conditions.get(pod, CONDITION) or {}
    wanted = {"type": CONDITION, "status": "False", "reason": message.reason, "message": message.message}
    if any(known.get(field) != value for field, value in wanted.items()):
        since = known.get("lastTransitionTime") if known.get("status") == "False" else None
        status["conditions"] = [{**wanted, "lastTransitionTime": since or timefmt.format(now)}]
    if not status:
        return None
    return {"metadata": {"uid": message.info.uid}, "status": status}
