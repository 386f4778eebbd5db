"""How the verbs reach a node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol


class NodeDialer(Protocol):
    """Opens channels to node agents, over the connections that they keep to this server."""

    def open(self, node: str, method: str, params: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """Ask a node's agent ("logs", say) and get its answer as it comes; `aclose()` tells the agent to stop.

        Raises ServiceUnavailable when no agent serves the node, and the ApiError that the agent closes with."""
