"""What a GET of something that is not an object answers.

Free of transport: `rest/` and the gRPC `Document` call ask the same `Documents`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from apiserver.verbs.context import UserInfo


@dataclass(frozen=True, slots=True)
class Document:
    """etag: changes when the body does; "" when nobody should remember it. vary: the answer depends on Accept."""

    body: bytes
    content_type: str
    status: int = 200
    etag: str = ""
    vary: bool = False


class DocumentSource(Protocol):
    """Version, health, metrics, discovery, OpenAPI, OpenID."""

    async def get(self, user: UserInfo, target: str, *, accept: str = "", method: str = "get") -> Document:
        """The document of a path with its query (`/readyz?verbose`, `/openapi/v3/apis/apps/v1?hash=…`).

        Raises Forbidden, NotAcceptable, and NotFound for a path that nothing is at."""
