"""A component as a process: an actor that starts it, waits until it says that it is ready, and ends it.

The process ends with us, however we end: its output pipe closes, and the kernel sends it SIGTERM when its parent dies.
A process that ends by itself is a crash of the actor, and the supervisor starts it again.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import pathlib
import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from actors import Actor
from actors.reports import Crashed, Report, Restarting, log_report

_PR_SET_PDEATHSIG = 1
_WORDS_BYTES = 65536
_LOG_LINE = re.compile(r"\d{4}-\d{2}-\d{2}T\S+ (?P<level>[A-Z]+) +\S+  (?P<message>.*)")
"""As `machinery.process.logs` writes it."""


class ProcessFailed(Exception):
    """A component's process ended, or did not get ready in time. reason: what follows its name in a sentence."""

    def __init__(self, name: str, reason: str, log: pathlib.Path) -> None:
        super().__init__(name, reason, log)
        self.name = name
        self.reason = reason
        self.log = log

    def __str__(self) -> str:
        return f"{self.name} {self.reason} (its log: {self.log})"


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
        self._log_begins = 0

    async def setup(self) -> None:
        program = self._program
        await asyncio.to_thread(program.log.parent.mkdir, parents=True, exist_ok=True)
        with await asyncio.to_thread(program.log.open, "ab") as log:
            self._log_begins = log.tell()
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
            raise self._failed(f"was not ready after {self._start_seconds:g} s") from None
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
                raise self._failed(self._end(await process.wait()))
            if line.decode(errors="replace").startswith(self._program.ready):
                return

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None, "it was started with a pipe"
        while await process.stdout.read(4096):
            """Nothing of interest: a process logs to standard error."""
        raise self._failed(self._end(await process.wait()))

    def _failed(self, reason: str) -> ProcessFailed:
        return ProcessFailed(self._program.name, reason, self._program.log)

    def _end(self, code: int) -> str:
        if code < 0:
            return f"was killed by signal {signal.Signals(-code).name}"
        words = last_words(self._program, self._log_begins)
        return f"ended with code {code}" + (f": {words}" if words else "")


class Told:
    """The report of a tree of processes: one line for a person for each that has to be started again. What happens to
    other actors is logged."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._failed: dict[str, ProcessFailed] = {}

    def __call__(self, report: Report) -> None:
        match report:
            case Crashed(path, ProcessFailed() as error):
                self._failed[path] = error
            case Restarting(path, delay) if path in self._failed:
                failed = self._failed.pop(path)
                when = f" in {delay:.0f} s" if delay >= 1 else ""
                self._say(f"{failed.name} {failed.reason}; starting it again{when} (its log: {failed.log})")
            case _:
                log_report(report)


def last_words(program: Program, begin: int) -> str:
    """What went wrong, from what a process wrote after this offset of its log; "" when it did not say.

    That is the first of the lines in which it refuses to run (`NAME: ...`), else the last one that is no ordinary news,
    without the time and the place that log lines begin with."""
    try:
        with program.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(begin, size - _WORDS_BYTES))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    except OSError:
        return ""
    refusal = f"{program.name}: "
    found = ""
    for line in lines:
        logged = _LOG_LINE.fullmatch(line)
        if line.startswith(refusal):
            return line.removeprefix(refusal)
        if logged is None:
            found = line or found
        elif logged["level"] not in ("DEBUG", "INFO"):
            found = logged["message"]
    return found


def _end_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)
    os.setpgid(0, 0)  # a Ctrl-C at the terminal is for the parent, which ends its children in order
