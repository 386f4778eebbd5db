"""`python -m tests.support.crashing_etcdlite POINT COUNT FLAG...`: etcdlite that is killed when it passes a point for
the COUNTth time, as `kill -9` does it: nothing is flushed, nothing is told."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from actors import ChildSpec, Supervisor, SystemClock
from actors.runner import run
from etcdlite.app import EtcdLite
from etcdlite.serve import Announcer, parse
from etcdlite.store.points import Point

DAWDLE = 0.03
"""Seconds that the file is held up before the end comes, so that an answer that was given too early gets out."""


class Killer:
    """A `Reach` that ends the process. It may be called from any thread."""

    def __init__(self, point: Point, count: int) -> None:
        self._point = point
        self._left = count

    def __call__(self, point: Point) -> None:
        if point is self._point:
            self._left -= 1
            if self._left == 0:
                if threading.current_thread() is not threading.main_thread():
                    time.sleep(DAWDLE)
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    point, count, *words = sys.argv[1:]
    app = EtcdLite(parse(words), clock=SystemClock(), reach=Killer(Point(point), int(count)))
    spec = ChildSpec("root", lambda: Supervisor([app.spec(), ChildSpec("announce", lambda: Announcer(app))]))
    return run(spec, clock=SystemClock(), name="etcdlite")


if __name__ == "__main__":
    sys.exit(main())
