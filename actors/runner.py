"""A process's main: start a tree, end it in order on a signal, say how it went by the exit code.

SIGTERM and SIGINT stop the root in order; a second SIGINT kills the process at once (exit code 130); SIGUSR1 writes the
tree and the stacks of all tasks to standard error. The process is ours, so its garbage collector is, too: see
COLLECT_AFTER.
"""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

from actors.childspec import ChildSpec
from actors.clock import Clock
from actors.reports import with_traceback
from actors.system import System
from actors.tree import render

log = logging.getLogger(__name__)

OK = 0
CRASHED = 1
KILLED = 130
COLLECT_AFTER = 10_000
"""New objects between two looks for cycles. A server holds many objects for long and makes few cycles; with Python's
700 it spends half of the decoding of a long list, and a tenth of everything else, on looking."""


def run(
    spec: ChildSpec,
    *,
    clock: Clock | None = None,
    name: str = "pilothouse",
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    tell: Callable[[Exception], bool] | None = None,
) -> int:
    """Run the tree until it ends or a signal stops it; 0 after an ordered end, 1 when it failed to start or crashed.

    tell: told of an error that says it all, in place of the log when it returns True."""
    gc.set_threshold(COLLECT_AFTER)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(serve(spec, clock=clock, name=name, tell=tell))


async def serve(
    spec: ChildSpec,
    *,
    clock: Clock | None = None,
    name: str = "pilothouse",
    tell: Callable[[Exception], bool] | None = None,
) -> int:
    """``run`` inside a loop that exists; must be on the main thread, for the signals."""
    try:
        system = System(spec, clock=clock, name=name)
    except Exception as error:
        log.error("could not start name=%s error=%s", name, error, exc_info=with_traceback(error))
        return CRASHED
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGINT, partial(_interrupt, stopping))
    loop.add_signal_handler(signal.SIGUSR1, partial(_dump, system))
    try:
        return await _serve(system, stopping, tell)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            loop.remove_signal_handler(number)


async def _serve(system: System, stopping: asyncio.Event, tell: Callable[[Exception], bool] | None) -> int:
    asked = asyncio.ensure_future(stopping.wait())
    starting = asyncio.ensure_future(system.start())
    ended: asyncio.Task[None] | None = None
    try:
        await asyncio.wait({asked, starting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            ended = asyncio.ensure_future(system.wait())
            await asyncio.wait({asked, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
        return OK
    except Exception as error:
        unexplained = with_traceback(error)
        if unexplained is not None or tell is None or not tell(error):
            log.error("ended by an error name=%s error=%s", system.name, error, exc_info=unexplained)
        return CRASHED
    finally:
        await system.stop()
        for task in (asked, starting, ended):
            if task is not None and not task.done():
                task.cancel()
        await asyncio.gather(*(task for task in (asked, starting, ended) if task is not None), return_exceptions=True)


def _interrupt(stopping: asyncio.Event) -> None:
    if stopping.is_set():
        os._exit(KILLED)
    stopping.set()


def _dump(system: System) -> None:
    out = io.StringIO()
    print(render(system.tree()), file=out)
    for task in sorted(asyncio.all_tasks(), key=asyncio.Task.get_name):
        print(f"\n{task.get_name()}", file=out)
        task.print_stack(file=out)
    sys.stderr.write(out.getvalue())
    sys.stderr.flush()
