"""What `up`, `init` and `join` share: running until a signal, or as a detached process that says when it is ready."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import pathlib
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from cli.errors import CliError, in_words
from cli.flags import Parsed, switch
from pilothouse.instance import Claim, alive, forget, tidy

log = logging.getLogger(__name__)

Say = Callable[[str], None]
"""Takes a line for the user."""

DETACH = switch("detach", "Return when everything is ready, and leave it running", short="d")
# Set for the child of --detach: the descriptor on which it says what it does, and at last that it is ready, or why it
# is not. A line is a JSON array of one of these words and a text.
READY_FD = "PILOTHOUSE_READY_FD"
SAY, READY, ERROR = "say", "ready", "error"
SECRETS = ("token",)
"""Flags whose values must not be seen in a list of processes: the child of --detach reads them as JSON from its
standard input, {flag: value}."""
STOPPED = 130
"""Exit code of who is told to end before it is ready."""


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
        if self._detached:
            from machinery.process import logs

            logs.setup("warning")
        loop = asyncio.get_running_loop()
        for number in _endings():
            loop.add_signal_handler(number, self.stopping.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupted)

    def say(self, line: str) -> None:
        """A line for a person: printed, or told to who waits for a detached process, and logged when nobody does."""
        if not self._detached:
            print(line, flush=True)
        elif not tell_parent(SAY, line):
            log.warning("%s", line)

    def ready(self) -> None:
        """Tell the parent of a detached process that it can return."""
        tell_parent(READY)

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


async def detach(claim: Claim, command: Sequence[str], flags: Parsed, *, say: Say = lambda line: None) -> None:
    """Run the same command as a process of its own, and return when it says that it is ready. Raises CliError, and
    InstanceError when another process has the name: that one's files stay as they are.

    say: takes what it says until then. A signal that ends this process before that ends the other one, too."""
    claim.check_free()
    claim.prepare()
    given = sorted(flags.given - {"detach", "help", "v"})
    words = [f"--{name}={_text(flags[name])}" for name in given if name not in SECRETS]
    secrets = {name: flags[name] for name in given if name in SECRETS}
    begin = claim.log.stat().st_size if claim.log.exists() else 0
    try:
        process, word, text = await _last_word([*command, *words], secrets, claim.log, say)
    except Interrupted:
        forget(claim.name, directory=claim.directory.parent)
        raise
    if word != READY:
        code = _exit_code(process)
        ended = "it was told to end before it was ready" if code == STOPPED else f"it ended with exit code {code}"
        reason = text or _tail(claim.log, begin) or ended
        tidy(claim.directory)
        # who took the name meanwhile has a log of its own there
        its_own = claim.log.exists() and not alive(claim.directory)
        raise CliError(reason, hint=f"Its log: {claim.log}" if its_own else "")


async def _last_word(
    words: Sequence[str], secrets: Mapping[str, str], log: pathlib.Path, say: Say
) -> tuple[int, str, str]:
    """Start the process: its id, and READY or ERROR with a text, after all that it says before; two empty ones when it
    ends without. Raises Interrupted: when we are told to end, it is told to and waited for; and what `say` raises."""
    loop, unread, last = asyncio.get_running_loop(), bytearray(), ("", "")
    heard: asyncio.Queue[bytes] = asyncio.Queue()  # lines; an empty one is the end

    def take() -> None:
        data = os.read(descriptor, 65536)
        unread.extend(data)
        *lines, rest = bytes(unread).split(b"\n")
        unread[:] = rest
        for line in lines:
            heard.put_nowait(line)
        if not data:
            loop.remove_reader(descriptor)
            heard.put_nowait(b"")

    def end(number: int) -> None:
        ended.append(number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL if ended.count(signal.SIGINT) > 1 else signal.SIGTERM)

    ended: list[int] = []
    signals = (signal.SIGINT, *_endings())
    for number in signals:
        loop.add_signal_handler(number, end, number)
    descriptor, process = _started(words, secrets, log)
    loop.add_reader(descriptor, take)
    try:
        while line := await heard.get():
            word, text = json.loads(line)
            if word == SAY:
                say(text)
            else:
                last = word, text
    except asyncio.CancelledError:
        end(signal.SIGINT)  # it came before there was a handler
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
        loop.remove_reader(descriptor)
        os.close(descriptor)
    if ended:
        # it may have become ready just before, and said so: then it still ends now
        _exit_code(process)
        raise Interrupted(128 + ended[0])
    return process, *last


def take_secrets(flags: Parsed) -> None:
    """In the child of --detach: the flags that its parent did not put on the command line. Elsewhere nothing."""
    if READY_FD in os.environ:
        for name, value in json.loads(sys.stdin.read() or "{}").items():
            flags.values[name] = value
            flags.given.add(name)


def _started(words: Sequence[str], secrets: Mapping[str, str], log: pathlib.Path) -> tuple[int, int]:
    """Start pilot with these words as a process of its own; the descriptor that it speaks on, and its id."""
    told, tell = os.pipe()
    os.write(tell, json.dumps(secrets).encode())  # short: who detaches has checked their form
    os.close(tell)
    read, write = os.pipe()
    os.set_inheritable(write, True)
    # not subprocess, whose processes complain when they are not waited for
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "cli", *words],
        {**os.environ, READY_FD: str(write)},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, told, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.fspath(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    os.close(write)
    os.close(told)
    return read, process


def _exit_code(process: int) -> int:
    """How a process ended that has closed its end of the pipe: it ends at once, or has."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _endings() -> list[signal.Signals]:
    """The signals that mean the end, beside Ctrl-C; the terminal's hanging up does not under nohup."""
    hangup = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGTERM, *hangup]


def tell_parent(word: str, text: str = "") -> bool:
    """Say something to the process that waits for this one; whether one does. Nobody does after READY and ERROR."""
    descriptor = os.environ.get(READY_FD)
    if descriptor is None:
        return False
    try:
        os.write(int(descriptor), json.dumps([word, text]).encode() + b"\n")
        told = True
    except OSError:
        told = False
    if word != SAY or not told:
        del os.environ[READY_FD]
        with contextlib.suppress(OSError):
            os.close(int(descriptor))
    return told


async def refusing(work: Callable[[], Awaitable[int]], *errors: type[Exception]) -> int:
    """Run `work`; errors of these types become a CliError, and the parent of a detached process hears of any.

    Any other is a fault of our own; a detached process leaves the whole of it in its log."""
    detached = READY_FD in os.environ
    try:
        return await work()
    except Interrupted as interrupted:
        return interrupted.exit_code
    except CliError as error:
        if tell_parent(ERROR, "\n".join(filter(None, (error.message, error.hint)))):
            return error.exit_code
        raise
    except BrokenPipeError:
        raise
    except errors as error:
        message = in_words(error)
        if tell_parent(ERROR, message):
            return 1
        raise CliError(message) from None
    except Exception:
        if detached:
            log.exception("ended by an exception that nobody foresaw")
        raise


def _tail(path: pathlib.Path, begin: int) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(begin)
        lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)
