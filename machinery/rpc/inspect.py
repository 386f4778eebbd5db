"""`pilot.v1.Inspect`: the tree of actors of this process, for whoever serves it beside its own services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from actors.tree import Node
from machinery.rpc.api import Call
from protos.pool import messages

INSPECT = "pilot.v1.Inspect"


class InspectService:
    """The tree as JSON, of the moment of the call."""

    def __init__(self, tree: Callable[[], Node]) -> None:
        self._tree = tree

    async def Tree(self, request: Any, call: Call) -> Any:
        return messages("pilot.v1").TreeReply(tree=orjson.dumps(self._tree()))
