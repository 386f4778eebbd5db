"""The ResponseHeader of every answer."""

from __future__ import annotations

from typing import Any

from etcdlite.model import varint
from protos.pool import messages

ResponseHeader = messages("etcdserverpb").ResponseHeader

RAFT_TERM = 1
"""A store of one member has one term."""


class Header:
    """Makes headers: `wire` as bytes to join, `message` as a message."""

    def __init__(self, cluster_id: int, member_id: int) -> None:
        self.cluster_id = cluster_id
        self.member_id = member_id
        self._prefix = b"\x08" + varint(cluster_id) + b"\x10" + varint(member_id)
        self._suffix = b"\x20" + varint(RAFT_TERM)

    def wire(self, revision: int) -> bytes:
        """The encoded header of an answer at `revision`."""
        return b"".join((self._prefix, b"\x18", varint(revision), self._suffix))

    def message(self, revision: int) -> Any:
        """The same as a message."""
        return ResponseHeader(
            cluster_id=self.cluster_id, member_id=self.member_id, revision=revision, raft_term=RAFT_TERM
        )
