"""Answers without an end of their own: watches as newline-delimited JSON, logs as they come.

A stop of the server ends them in order: the client sees a complete answer, and asks again elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from aiohttp import web

from apiserver.verbs.options import WatchItem
from machinery.errors import ApiError

T = TypeVar("T")


class Streams:
    """The streams of one server, so that a stop can end them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self._ending = False

    def __len__(self) -> int:
        return len(self._tasks)

    def end(self) -> None:
        """End every stream, and those that begin from now on."""
        self._ending = True
        for task in self._tasks:
            task.cancel()

    async def send(
        self, request: web.BaseRequest, chunks: AsyncIterator[bytes], headers: Mapping[str, str], *, wait: bool = False
    ) -> web.StreamResponse:
        """Answer with chunks as they come. Ends with them, with the client's connection, or with the server.

        wait: no word of success before there is a first chunk, or none is to come. Raises ApiError when the source does
        so before; one that comes later can only break the connection off.
        """
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        if not wait:
            await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with _closing(chunks) as source:
                if not self._ending:
                    async for chunk in source:
                        if not response.prepared:
                            await response.prepare(request)
                        await response.write(chunk)
        except ApiError:
            if not response.prepared:
                raise
            if request.transport is not None:
                request.transport.abort()
            return response
        except ConnectionResetError:
            # The client left between two chunks.
            return response
        except asyncio.CancelledError:
            # Ours when the server ends its streams; else the client is gone, and whoever cancelled means it.
            if not self._ending or task.uncancel():
                raise
        finally:
            self._tasks.discard(task)
        if not response.prepared:
            await response.prepare(request)
        await response.write_eof()
        return response


async def watch_chunks(batches: AsyncIterator[Sequence[WatchItem]]) -> AsyncIterator[bytes]:
    """What is at hand together is one chunk."""
    async with _closing(batches) as source:
        async for batch in source:
            yield b"".join(frames(batch))


def frames(batch: Iterable[WatchItem]) -> Iterable[bytes]:
    """One line per event."""
    for item in batch:
        yield b'{"type":"%b","object":%b}\n' % (item.type.encode(), item.object)


@asynccontextmanager
async def _closing(source: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """`source`, ended when the block is, also when it was left early."""
    try:
        yield source
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()
