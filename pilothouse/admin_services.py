"""The services that steer the processes themselves: the actor tree, and the controllers' units.

They show and change what RBAC has no words for, so they serve members of system:masters alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson

from actors.tree import Node
from machinery.rpc import Call, Code, RpcError
from pilothouse.credentials import ADMIN_GROUP
from protos.pool import messages, service


class InspectService:
    """`pilot.v1.Inspect`: the tree as JSON."""

    def __init__(self, tree: Callable[[], Node]) -> None:
        self._tree = tree

    async def Tree(self, request: Any, call: Call) -> Any:
        return messages("pilot.v1").TreeReply(tree=orjson.dumps(self._tree()))


class Restricted:
    """A service behind a check of who calls: one attribute per RPC of `full_name`, each passed on to the service that
    `behind` answers at the time of the call."""

    def __init__(self, full_name: str, behind: Callable[[], object]) -> None:
        for name, method in service(full_name).items():
            setattr(self, name, _stream(behind, name) if method.server_streaming else _unary(behind, name))


def _unary(behind: Callable[[], object], name: str) -> Any:
    async def rpc(request: Any, call: Call) -> Any:
        _check(call)
        return await getattr(behind(), name)(request, call)

    return rpc


def _stream(behind: Callable[[], object], name: str) -> Any:
    async def rpc(request: Any, call: Call) -> AsyncIterator[Any]:
        _check(call)
        replies = getattr(behind(), name)(request, call)
        try:
            async for reply in replies:
                yield reply
        finally:
            await replies.aclose()

    return rpc


def _check(call: Call) -> None:
    if call.peer is None or ADMIN_GROUP not in call.peer.organizations:
        who = call.peer.common_name if call.peer else "an unknown caller"
        raise RpcError(Code.PERMISSION_DENIED, f'User "{who}" is not in {ADMIN_GROUP}: only its members may do this')
