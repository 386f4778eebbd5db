"""Serving a container's log: finds the container, has its file written, reads and follows it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from typing import Any, BinaryIO

from machinery.rpc import RpcError
from nodeagent.errors import LogError
from nodeagent.pods import plan as plans
from nodeagent.pods.context import NodeContext
from nodeagent.pods.desired import Latest
from nodeagent.runtime.model import Container, State
from nodeagent.tunnel import crilog, follow

CHUNK = 64 * 1024


class Logs:
    """The logs of all nodes of an agent."""

    def __init__(self, contexts: Mapping[str, NodeContext], latest: Latest) -> None:
        self._contexts = contexts
        self._latest = latest

    async def read(self, node: str, params: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """The log in pieces. params: namespace, pod, uid, container, options (PodLogOptions). Raises LogError."""
        context = self._contexts.get(node)
        if context is None:
            raise LogError(404, f'node "{node}" is not one of this agent\'s')
        wanted = crilog.options(params.get("options") or {}, context.clock.now())
        container = await self._find(context, params, previous=wanted.previous)
        path = container.log_path
        if not path:
            raise LogError(500, f'the runtime keeps no log file of container "{container.name}"')
        with context.clock.external("look for log"):
            written = await asyncio.to_thread(os.path.exists, path)
        if not written:
            await self._have_written(context, container)
        async for piece in self._stream(context, container, path, wanted):
            yield piece

    async def _find(self, context: NodeContext, params: Mapping[str, Any], *, previous: bool) -> Container:
        namespace, name, wanted = str(params.get("namespace")), str(params.get("pod")), str(params.get("container"))
        uid = str(params.get("uid") or "")
        try:
            listed = [
                each
                for each in await context.cri.containers()
                if each.name == wanted
                and (each.pod.uid == uid if uid else each.pod.namespace == namespace)
                and each.pod.name == name
            ]
            if previous:
                listed = listed[1:]
                if not listed:
                    text = f'previous terminated container "{wanted}" in pod "{name}" not found'
                    raise LogError(400, text)
            container = await context.cri.container(listed[0].id) if listed else None
        except RpcError as error:
            raise LogError(500, error.message) from None
        if container is None or container.state is State.CREATED:
            raise LogError(400, self._waiting(uid, name, wanted))
        return container

    def _waiting(self, uid: str, name: str, container: str) -> str:
        pod = self._latest.pods.get(uid, {})
        status = plans.status_of(pod, container) or {}
        reason = ((status.get("state") or {}).get("waiting") or {}).get("reason") or "ContainerCreating"
        if reason in ("ErrImagePull", "ImagePullBackOff"):
            return f'container "{container}" in pod "{name}" is waiting to start: trying and failing to pull image'
        return f'container "{container}" in pod "{name}" is waiting to start: {reason}'

    async def _have_written(self, context: NodeContext, container: Container) -> None:
        try:
            await context.cri.reopen_log(container.id)
        except RpcError as error:
            raise LogError(500, f"failed to open log file: {error.message}") from None

    async def _stream(
        self, context: NodeContext, container: Container, path: str, wanted: crilog.LogOptions
    ) -> AsyncGenerator[bytes, None]:
        reading = _Reading(follow=wanted.follow and container.state is State.RUNNING)
        filter = crilog.Filter(wanted)
        tail = wanted.tail_lines
        watchers = self._latest.ends.setdefault(container.id, set())
        watchers.add(reading.end)
        try:
            while True:
                with context.clock.external("open log"):
                    # Held open: a deleted pod takes its log away, and who follows it still wants the last words.
                    file = await asyncio.to_thread(_open, path, tail)
                try:
                    with follow.changes(file.fileno(), os.path.dirname(path)) as reading.changed:
                        async for piece in self._pieces(context, path, file, filter, reading):
                            yield piece
                finally:
                    file.close()
                if not reading.rotated:
                    return
                reading.rotated, tail = False, None
        finally:
            watchers.discard(reading.end)
            if not watchers:
                self._latest.ends.pop(container.id, None)

    async def _pieces(
        self, context: NodeContext, path: str, file: BinaryIO, filter: crilog.Filter, reading: _Reading
    ) -> AsyncGenerator[bytes, None]:
        """What one file has, until it is over, rotated away, or enough was shown."""
        rest = b""
        while not filter.exhausted:
            over = not reading.follow  # before the read: what was written before the end is in what is read after it
            reading.changed.clear()
            with context.clock.external("read log"):
                data, rotated = await asyncio.to_thread(_read, file, path)
            if data:
                *lines, rest = (rest + data).split(b"\n")
                piece = b"".join(filter.feed(line) for line in lines)
                if piece:
                    yield piece
            elif rotated:
                reading.rotated = True
                return
            elif over:
                return
            else:
                await reading.changed.wait()


class _Reading:
    """How far one reader is. `follow` ends with the container; `changed` is the event of the file that is open."""

    def __init__(self, *, follow: bool) -> None:
        self.follow = follow
        self.rotated = False
        self.changed = asyncio.Event()

    def end(self) -> None:
        self.follow = False
        self.changed.set()


def _read(file: BinaryIO, path: str) -> tuple[bytes, bool]:
    """The next piece, and whether another file has the name (after a rotation nobody has it for a moment).

    The name is looked at first: whoever took it wrote its last words here before, so an empty piece is the end.
    """
    try:
        rotated = os.stat(path).st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        rotated = False
    return file.read(CHUNK), rotated


def _open(path: str, tail: int | None) -> BinaryIO:
    """The file, at the beginning of what was asked for. Raises OSError."""
    file = open(path, "rb")  # noqa: SIM115  # the caller closes it

    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        return file.read(length)

    size = os.fstat(file.fileno()).st_size
    file.seek(0 if tail is None else crilog.tail_offset(read, size, tail))
    return file
