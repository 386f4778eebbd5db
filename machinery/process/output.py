"""The end of a command's standard output, when its reader has left or its disk is full."""

from __future__ import annotations

import os
import sys


def drop_the_rest() -> None:
    """Let go of what standard output holds and cannot write: the interpreter would try again at its end, and say in
    words of its own that it failed."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
