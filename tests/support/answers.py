"""Answers of different stores made comparable: without ids, and counted from where the store stood."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from machinery.rpc import RpcError

IDS = ("cluster_id", "member_id", "raft_term")
REVISIONS = ("revision", "create_revision", "mod_revision", "compact_revision")


def comparable(message: Any, *, base: int = 0, leases: int = 0, prefix: bytes = b"") -> str:
    """A message's text with its revisions counted from `base`, its lease ids from `leases`, its keys without `prefix`,
    and nothing in it that names the member."""
    moved = type(message)()
    moved.CopyFrom(message)
    _move(moved, base, leases, prefix)
    return str(moved)


def _move(message: Any, base: int, leases: int, prefix: bytes) -> None:
    for field, value in message.ListFields():
        if field.name in IDS:
            message.ClearField(field.name)
        elif field.name in REVISIONS:
            setattr(message, field.name, value - base if value else 0)
        elif field.name in ("lease", "ID"):
            setattr(message, field.name, value - leases)
        elif field.name == "key":
            message.key = value.removeprefix(prefix)
        elif field.type == field.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                _move(inner, base, leases, prefix)


async def answer(call: Awaitable[Any], **moves: Any) -> str | tuple[Any, str]:
    """The comparable answer of a call: a message's text, or the (code, text) of a refusal."""
    try:
        return comparable(await call, **moves)
    except RpcError as error:
        return error.code, error.message
