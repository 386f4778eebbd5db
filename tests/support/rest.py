"""A server met over REST: its administrator's client, and raw requests for what no client would send."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from yarl import URL

from machinery.client.rest import RestClient
from machinery.pki.tls import client_context
from tests.support.apiserver import Plane, plane


class World:
    """A server, its administrator's client, and raw requests for what no client would send."""

    def __init__(self, server: Plane, client: RestClient, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.client = client
        self._session = session

    async def raw(self, method: str, path: str, **more: Any) -> tuple[aiohttp.ClientResponse, bytes]:
        if "data" in more:
            more["data"] = io.BytesIO(more["data"])
            more["headers"] = {"Content-Type": "application/json", **more.get("headers", {})}
        async with self._session.request(method, URL(self.server.url + path, encoded=True), **more) as response:
            return response, await response.read()

    async def status(self, method: str, path: str, **more: Any) -> tuple[int, str, str]:
        """Code, reason and message of an answer that is a Status."""
        response, body = await self.raw(method, path, **more)
        document = orjson.loads(body)
        assert document["kind"] == "Status"
        assert document["code"] == response.status
        return response.status, document["reason"], document["message"]


@asynccontextmanager
async def meeting() -> AsyncIterator[World]:
    """A World of its own."""
    async with plane() as server:
        client = server.client()
        pair = server.certificate("admin", "system:masters")
        context = client_context(ca=server.authority.pair.certificate, certificate=pair.certificate, key=pair.key)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), auto_decompress=False) as session:
            yield World(server, client, session)
        await client.close()
