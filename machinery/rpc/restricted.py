"""A service that serves members of system:masters alone: what RBAC has no words for, such as steering processes."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from machinery.rpc.api import Call, Code, RpcError
from protos.pool import service

MASTERS = "system:masters"
ANONYMOUS = "system:anonymous"


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
    if call.peer is None or MASTERS not in call.peer.organizations:
        raise RpcError(
            Code.PERMISSION_DENIED, f'User "{_name(call)}" is not in {MASTERS}: only its members may do this'
        )


def _name(call: Call) -> str:
    """Whom to name in the refusal: the certificate's subject, else whom the token is said to be of. Nobody looks at
    the token's signature here, because nobody is let in by it."""
    if call.peer is not None:
        return call.peer.common_name
    said = call.metadata.get("authorization")
    if not isinstance(said, str):
        return ANONYMOUS
    try:
        payload = said.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])
    except (IndexError, KeyError, TypeError, ValueError):
        return "an unknown caller"
