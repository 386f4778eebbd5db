"""etcdserverpb.Cluster: a cluster of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from etcdlite.errors import NotServed
from etcdlite.parts import Parts
from machinery.rpc.api import Call
from protos.pool import messages

pb = messages("etcdserverpb")


class Cluster:
    """name: the member's. urls: where clients reach it, asked for at each call since ports may be chosen late."""

    def __init__(self, parts: Parts, *, name: str, urls: Callable[[], Sequence[str]]) -> None:
        self._parts = parts
        self._name = name
        self._urls = urls

    async def MemberList(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        member = pb.Member(ID=store.header.member_id, name=self._name, clientURLs=self._urls())
        return pb.MemberListResponse(header=store.header.message(store.state.visible), members=[member])

    async def _one_member(self, request: Any, call: Call) -> Any:
        raise NotServed("etcdlite: this store has one member and takes no others; use an etcd cluster for that")

    MemberAdd = MemberRemove = MemberUpdate = MemberPromote = _one_member
