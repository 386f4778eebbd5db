"""etcdserverpb.Cluster: a cluster of one, which answers as a cluster of one member of etcd does where that refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from etcdlite.auth.access import Access
from etcdlite.errors import BadMemberUrls, MemberNotFound, MemberNotLearner, NotEnoughStarted, NotServed
from etcdlite.parts import Parts
from etcdlite.rpc.header import RAFT_TERM
from machinery.rpc.api import Call
from protos.pool import messages

pb = messages("etcdserverpb")

_ONE = "etcdlite: this store has one member and takes no others; use an etcd cluster for that"


class Cluster:
    """name: the member's. urls: where clients reach it, asked for at each call since ports may be chosen late.

    What the store knows is always the newest there is, so `linearizable` makes no difference."""

    def __init__(self, parts: Parts, access: Access, *, name: str, urls: Callable[[], Sequence[str]]) -> None:
        self._parts = parts
        self._access = access
        self._name = name
        self._urls = urls

    async def MemberList(self, request: Any, call: Call) -> Any:
        self._access.known(call)
        header = self._parts.store.header
        member = pb.Member(ID=header.member_id, name=self._name, clientURLs=self._urls())
        # As etcd's: without a revision, since members are no part of the key space.
        told = pb.ResponseHeader(cluster_id=header.cluster_id, member_id=header.member_id, raft_term=RAFT_TERM)
        return pb.MemberListResponse(header=told, members=[member])

    async def MemberAdd(self, request: Any, call: Call) -> Any:
        if not request.peerURLs or not all(_is_peer_url(url) for url in request.peerURLs):
            raise BadMemberUrls
        self._access.root(call)
        raise NotServed(_ONE)

    async def MemberRemove(self, request: Any, call: Call) -> Any:
        self._access.root(call)
        self._check(request.ID)
        raise NotEnoughStarted

    async def MemberUpdate(self, request: Any, call: Call) -> Any:
        self._access.root(call)
        self._check(request.ID)
        raise NotServed("etcdlite: its one member talks to no others and has no peer URLs")

    async def MemberPromote(self, request: Any, call: Call) -> Any:
        self._access.root(call)
        self._check(request.ID)
        raise MemberNotLearner

    def _check(self, member: int) -> None:
        if member != self._parts.store.header.member_id:
            raise MemberNotFound


def _is_peer_url(text: str) -> bool:
    """As etcd's `types.NewURLs` takes them."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme in ("unix", "unixs"):
        return True
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port is not None and parts.path in ("", "/")
