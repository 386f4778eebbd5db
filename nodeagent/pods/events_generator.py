"""Learning what happens to containers: from the runtime's own events, or by asking it once a second.

containerd before 1.7 and any runtime without GetContainerEvents answers UNIMPLEMENTED; then all containers are listed
and compared with the list before (kubelet's generic PLEG, with its period).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from actors import Actor
from machinery.rpc import Code, RpcError
from nodeagent.runtime.cri import ContainerEvent, Cri, Listed
from nodeagent.runtime.model import State

RELIST = 1.0
RETRY = 1.0


class RuntimeEvents(Actor):
    """Follows one runtime. deliver: gets every event, from the actor's own loop."""

    def __init__(self, cri: Cri, deliver: Callable[[ContainerEvent], None]) -> None:
        self._cri = cri
        self._deliver = deliver
        self._seen: Mapping[str, Listed] = {}

    async def setup(self) -> None:
        self.spawn(self._follow(), name="follow")

    async def _follow(self) -> None:
        while True:
            try:
                await self._relist()  # what happened before the stream, and while it was broken
                async for event in self._cri.events():
                    self._deliver(event)
            except RpcError as error:
                if error.code is Code.UNIMPLEMENTED:
                    await self._poll()
                self.log.warning("runtime events ended error=%s", error)
            await self.clock.sleep(RETRY)

    async def _poll(self) -> None:
        while True:
            await self.clock.sleep(RELIST)
            try:
                await self._relist()
            except RpcError as error:
                self.log.warning("runtime does not answer error=%s", error)

    async def _relist(self) -> None:
        now = await self._cri.containers()
        for event in changes(self._seen, now):
            self._deliver(event)
        self._seen = {each.id: each for each in now}


def changes(before: Mapping[str, Listed], now: Sequence[Listed]) -> list[ContainerEvent]:
    """What happened between two lists."""
    ids = {each.id for each in now}
    events = [
        ContainerEvent(each.pod.uid, each.id, stopped=each.state in (State.EXITED, State.UNKNOWN), deleted=False)
        for each in now
        if each.id not in before or before[each.id].state is not each.state
    ]
    events += [
        ContainerEvent(each.pod.uid, each.id, stopped=False, deleted=True)
        for each in before.values()
        if each.id not in ids
    ]
    return events
