"""A restricted service serves system:masters, and names whom it refuses."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from machinery.rpc.api import Call, Code, Peer, RpcError
from machinery.rpc.restricted import Restricted


class Units:
    async def ListUnits(self, request: Any, call: Call) -> str:
        return "listed"


def token(claims: object) -> str:
    payload = base64.urlsafe_b64encode(orjson.dumps(claims)).decode().rstrip("=")
    return f"Bearer e30.{payload}.c2ln"


async def ask(call: Call) -> Any:
    service: Any = Restricted("pilot.v1.Units", Units)
    return await service.ListUnits(None, call)


async def test_masters_are_served() -> None:
    assert await ask(Call(peer=Peer("admin", ("system:masters",)))) == "listed"


ACCOUNT = "system:serviceaccount:default:watcher"


@pytest.mark.parametrize(
    ("call", "who"),
    [
        pytest.param(Call(peer=Peer("alice", ("devs",))), "alice", id="certificate"),
        pytest.param(Call(metadata={"authorization": token({"sub": ACCOUNT})}), ACCOUNT, id="token"),
        pytest.param(Call(), "system:anonymous", id="nothing"),
        pytest.param(
            Call(metadata={"authorization": "Bearer abcdef.0123456789abcdef"}), "an unknown caller", id="other"
        ),
        pytest.param(Call(metadata={"authorization": token(["sub"])}), "an unknown caller", id="no-claims"),
        pytest.param(Call(metadata={"authorization": "Bearer nonsense"}), "an unknown caller", id="nonsense"),
    ],
)
async def test_who_is_refused_is_named(call: Call, who: str) -> None:
    with pytest.raises(RpcError) as caught:
        await ask(call)
    assert caught.value.code is Code.PERMISSION_DENIED
    assert caught.value.message == f'User "{who}" is not in system:masters: only its members may do this'


async def test_a_token_that_says_masters_opens_nothing() -> None:
    with pytest.raises(RpcError):
        await ask(Call(metadata={"authorization": token({"sub": "admin", "groups": ["system:masters"]})}))
