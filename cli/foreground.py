"""What `up`, `init` and `join` share: running until a signal, or as a detached process that says when it is ready."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pathlib
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from cli.errors import CliError
from cli.flags import Parsed, switch
from pilothouse.instance import tidy

if TYPE_CHECKING:
    from pilothouse.instance import Claim

log = logging.getLogger(__name__)

Say = Callable[[str], None]
"""Takes a line for the user."""

DETACH = switch("detach", "Return when everything is ready, and leave it running", short="d")
# set for the child of --detach: the descriptor on which it says that it is ready, or why it is not
READY_FD = "PILOTHOUSE_READY_FD"


class Interrupted(Exception):
    """A signal ended the wait for a detached process, and the process. exit_code: as of who dies by that signal."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Foreground:
    """Signals of a process that runs until it is told to end. Make it inside the loop, on the main thread."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self._detached = READY_FD in os.environ
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self.stopping.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupted)

    def say(self, line: str) -> None:
        """A line for a person; a detached child is silent, its parent speaks."""
        if not self._detached:
            print(line, flush=True)

    def ready(self) -> None:
        """Tell the parent of a detached process that it can return."""
        tell_parent("ready")

    async def unless_stopped(self, work: Awaitable[None], *, timeout: float | None = None) -> bool:
        """Wait for `work`, a signal or the time, whatever comes first; whether the work was done.

        Raises what `work` raises, and TimeoutError."""
        working = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({working, asked}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
                return True
            if not asked.done():
                raise TimeoutError
            return False
        finally:
            for task in (working, asked):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task

    def _interrupted(self) -> None:
        if self.stopping.is_set():
            # the second Ctrl-C: the store is crash-safe, so nothing acknowledged is lost
            os._exit(130)
        self.stopping.set()


async def detach(claim: Claim, command: Sequence[str], flags: Parsed) -> None:
    """Run the same command as a process of its own, and return when it says that it is ready. Raises CliError.

    A signal that ends this process before that ends the other one, too."""
    claim.prepare()
    words = [f"--{name}={_text(flags[name])}" for name in sorted(flags.given - {"detach", "help", "v"})]
    read, write = os.pipe()
    os.set_inheritable(write, True)
    with claim.log.open("ab") as log, open(os.devnull, "rb") as nothing:
        begin = log.tell()
        # not subprocess, whose processes complain when they are not waited for
        process = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "cli", *command, *words],
            {**os.environ, READY_FD: str(write)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing.fileno(), 0),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
            ],
            setsid=True,
        )
    os.close(write)
    said = await _said(read, process)
    if said != "ready":
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        reason = said.removeprefix("error ") or _tail(claim.log, begin) or f"it ended with exit code {code}"
        tidy(claim.directory)
        raise CliError(reason, hint=f"Its log: {claim.log}" if claim.log.exists() else "")


async def _said(descriptor: int, process: int) -> str:
    """All that the process says on this descriptor. When we are told to end, it is told to and waited for."""
    loop, over, words = asyncio.get_running_loop(), asyncio.Event(), bytearray()

    def take() -> None:
        data = os.read(descriptor, 65536)
        words.extend(data)
        if not data:
            loop.remove_reader(descriptor)
            over.set()

    def end(number: int) -> None:
        ended.append(number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL if len(ended) > 1 else signal.SIGTERM)

    ended: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, end, number)
    loop.add_reader(descriptor, take)
    try:
        await over.wait()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
        os.close(descriptor)
    if ended:
        # it may have become ready just before, and said so: then it still ends now
        os.waitpid(process, 0)
        raise Interrupted(128 + ended[0])
    return words.decode()


def tell_parent(word: str) -> None:
    """Say a word to the process that waits for this one; nothing when none does."""
    descriptor = os.environ.pop(READY_FD, None)  # once: nobody listens after the first word
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.write(int(descriptor), word.encode())
            os.close(int(descriptor))


async def refusing(work: Callable[[], Awaitable[int]], *errors: type[Exception]) -> int:
    """Run `work`; errors of these types become a CliError, and the parent of a detached process hears of any.

    Any other is a fault of our own; a detached process leaves the whole of it in its log."""
    detached = READY_FD in os.environ
    try:
        return await work()
    except Interrupted as interrupted:
        return interrupted.exit_code
    except CliError as error:
        tell_parent(f"error {error.message}")
        raise
    except BrokenPipeError:
        raise
    except errors as error:
        message = reason(error)
        tell_parent(f"error {message}")
        raise CliError(message) from None
    except Exception:
        if detached:
            log.exception("ended by an exception that nobody foresaw")
        raise


def reason(error: Exception) -> str:
    """An error in words, without a number: `./data: Permission denied`."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _tail(path: pathlib.Path, begin: int) -> str:
    with path.open("rb") as log:
        log.seek(begin)
        lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)
