"""What `up`, `init` and `join` share: running until a signal, or as a detached process that says when it is ready."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from cli.errors import CliError
from cli.flags import Parsed, switch

if TYPE_CHECKING:
    from pilothouse.instance import Claim

log = logging.getLogger(__name__)

Say = Callable[[str], None]
"""Takes a line for the user."""

DETACH = switch("detach", "Return when everything is ready, and leave it running", short="d")
# set for the child of --detach: the descriptor on which it says that it is ready, or why it is not
READY_FD = "PILOTHOUSE_READY_FD"


class Foreground:
    """Signals of a process that runs until it is told to end. Make it inside the loop, on the main thread."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self._detached = READY_FD in os.environ
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
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
    """Run the same command as a process of its own, and return when it says that it is ready. Raises CliError."""
    claim.directory.mkdir(parents=True, exist_ok=True)
    words = [f"--{name}={_text(flags[name])}" for name in sorted(flags.given - {"detach", "help", "v"})]
    read, write = os.pipe()
    with claim.log.open("ab") as log:
        begin = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", *command, *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, READY_FD: str(write)},
            pass_fds=[write],
            start_new_session=True,
        )
    os.close(write)
    said = await asyncio.to_thread(_read_all, read)
    if said != "ready":
        code = process.wait()
        reason = said.removeprefix("error ") or _tail(claim.log, begin) or f"it ended with exit code {code}"
        raise CliError(reason, hint=f"Its log: {claim.log}")


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


def _read_all(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read().decode()


def _tail(path: pathlib.Path, begin: int) -> str:
    with path.open("rb") as log:
        log.seek(begin)
        lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)
