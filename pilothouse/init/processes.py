"""A component as a process: an actor that starts it, waits until it says that it is ready, and ends it.

The process ends with us, however we end: its output pipe closes, and the kernel sends it SIGTERM when its parent dies.
A process that ends by itself is a crash of the actor, and the supervisor starts it again.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import pathlib
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from actors import Actor

_PR_SET_PDEATHSIG = 1


class ProcessFailed(Exception):
    """A component's process ended, or did not get ready in time. The message names its log."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. ready: the beginning of the line on standard output that says that it serves."""

    name: str
    command: Sequence[str]
    ready: str
    log: pathlib.Path


class Process(Actor):
    """One process from `setup` to `teardown`. `setup` returns when it is ready and raises ProcessFailed otherwise."""

    def __init__(
        self, program: Program, *, start_seconds: float = 60.0, stop_seconds: float = 10.0,
        started: Callable[[str], None] = lambda name: None,
    ) -> None:  # fmt: skip
        self._program = program
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._started = started
        self._process: asyncio.subprocess.Process | None = None

    async def setup(self) -> None:
        program = self._program
        await asyncio.to_thread(program.log.parent.mkdir, parents=True, exist_ok=True)
        with await asyncio.to_thread(program.log.open, "ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                preexec_fn=partial(_end_with_parent, os.getpid()),
            )
        try:
            async with self.clock.timeout(self._start_seconds):
                await self._until_ready(self._process)
        except TimeoutError:
            raise ProcessFailed(
                f"{program.name} was not ready after {self._start_seconds:g} s; its log: {program.log}"
            ) from None
        self._started(program.name)
        self.spawn(self._watch(self._process), name="watch")

    async def handle(self, message: object) -> None:
        raise TypeError(f"a process takes no messages, got {message!r}")

    async def teardown(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with self.clock.patience(self._stop_seconds):
                await process.wait()
        except TimeoutError:
            self.log.warning("process did not end, killing it name=%s pid=%d", self._program.name, process.pid)
            process.kill()
            await process.wait()

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None, "it was started with a pipe"
        while True:
            line = await process.stdout.readline()
            if not line:
                code = await process.wait()
                raise ProcessFailed(f"{self._program.name} ended with code {code}: {self._last_words()}")
            if line.decode(errors="replace").startswith(self._program.ready):
                return

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None, "it was started with a pipe"
        while await process.stdout.read(4096):
            """Nothing of interest: a process logs to standard error."""
        code = await process.wait()
        raise ProcessFailed(f"{self._program.name} ended with code {code}: {self._last_words()}")

    def _last_words(self) -> str:
        log = self._program.log
        try:
            lines = log.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return f"{lines[-1] if lines else 'it said nothing'} (its log: {log})"


def _end_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)
    os.setpgid(0, 0)  # a Ctrl-C at the terminal is for the parent, which ends its children in order
