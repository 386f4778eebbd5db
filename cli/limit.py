"""`--request-timeout`: a channel whose every request has this long, from connecting to its last word."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from cli.errors import CliError
from machinery.objects import timefmt
from machinery.rpc.api import Code, RpcError

if TYPE_CHECKING:
    from machinery.rpc.api import Channel
    from protos.pool import Method


class LimitedChannel:
    """A `Channel` over another one. What takes longer than `limit` seconds raises CliError; a watch ends instead, as
    it does when the server has had enough of it, because who follows it lists again and goes on."""

    def __init__(self, channel: Channel, limit: float) -> None:
        self._channel = channel
        self._limit = limit

    async def unary(
        self, method: Method, request: Any, *, timeout: float | None, metadata: Mapping[str, str | bytes] | None
    ) -> Any:
        shorter = self._limit if timeout is None else min(timeout, self._limit)
        try:
            async with asyncio.timeout(self._limit):
                return await self._channel.unary(method, request, timeout=shorter, metadata=metadata)
        except TimeoutError:
            raise self._over() from None
        except RpcError as error:
            # with trailers it is the server's own answer, about a limit that it has
            if error.code is Code.DEADLINE_EXCEEDED and not error.trailers:
                raise self._over() from None
            raise

    async def stream(
        self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None
    ) -> AsyncIterator[Any]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limit
        async with contextlib.aclosing(self._channel.stream(method, request, metadata=metadata)) as replies:  # type: ignore[type-var]  # every channel's stream is an async generator
            while True:
                try:
                    async with asyncio.timeout_at(end):
                        reply = await anext(replies)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    if method.name == "Watch":
                        return
                    raise self._over() from None
                yield reply

    async def close(self) -> None:
        await self._channel.close()

    def _over(self) -> CliError:
        limit = timefmt.format_duration(self._limit)
        return CliError(f"the server did not answer within --request-timeout={limit}: context deadline exceeded")
