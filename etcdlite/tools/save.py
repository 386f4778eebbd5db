"""`snapshot save FILE`: a copy of a running store, whole or not at all."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import pathlib
import sys
from typing import IO, Any

from etcdlite.tools import endpoint, output
from etcdlite.tools.failure import ToolError
from etcdlite.tools.snapshot_file import DIGEST
from machinery.rpc import Stub
from protos.pool import messages

pb = messages("etcdserverpb")


def add_to(commands: Any) -> None:
    """The command."""
    parser = commands.add_parser("save", help="copy a running store, which goes on serving, to a file")
    parser.add_argument("file", type=pathlib.Path, metavar="FILE", help="replaced when it exists")
    endpoint.add_flags(parser)
    parser.set_defaults(run=run, check=lambda arguments: "")


async def run(arguments: argparse.Namespace) -> int:
    """Save, verify, put in place. Raises ToolError, OSError, RpcError."""
    target: pathlib.Path = arguments.file
    part = target.with_name(f"{target.name}.part")
    async with endpoint.connected(arguments) as channel:
        try:
            with _create(part) as file:  # at once: what a signal ends here has no file, or this one
                await _receive(channel, file)
                await asyncio.to_thread(_settle, file)
            await asyncio.to_thread(_put_in_place, part, target)
        except BaseException as error:
            with contextlib.suppress(OSError):
                part.unlink()
            if isinstance(error, OSError) and error.errno is not None:
                raise ToolError(f"{target}: cannot be written: {os.strerror(error.errno)}") from None
            raise
    print(f"Snapshot saved at {target}")
    print(f"next: python -m etcdlite snapshot status {target}", file=sys.stderr)
    return 0


async def _receive(channel: Any, file: IO[bytes]) -> None:
    """Write the stream, whose last 32 bytes are the digest of what comes before them."""
    digest = hashlib.sha256()
    tail = b""
    written = 0
    progress = _Progress()
    async for reply in Stub(channel, "etcdserverpb.Maintenance").Snapshot(pb.SnapshotRequest()):
        held = tail + reply.blob
        tail = held[-DIGEST:]
        digest.update(held[:-DIGEST])
        await asyncio.to_thread(file.write, reply.blob)
        written += len(reply.blob)
        progress.show(written, written + reply.remaining_bytes)
    progress.end()
    if digest.digest() != tail:
        raise ToolError("the snapshot came incomplete or damaged: its sha256 is another; nothing was saved")


class _Progress:
    """On a terminal, in place."""

    def __init__(self) -> None:
        self._wanted = sys.stderr.isatty()
        self._shown = ""

    def show(self, done: int, total: int) -> None:
        text = f"{output.size(done)} of {output.size(total)}"
        if self._wanted and text != self._shown:
            self._shown = text
            print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _create(path: pathlib.Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")


def _settle(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _put_in_place(part: pathlib.Path, target: pathlib.Path) -> None:
    part.replace(target)
    sync_directory(target.parent)


def sync_directory(path: pathlib.Path) -> None:
    """What was created, renamed or removed in a directory outlives a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
