"""Log output: one line per record, a constant message with ``key=value``, colours only on a terminal.

    2026-01-01T12:00:00.123Z INFO  etcdlite.store.actor  compacted revision=812 took=0.004

Libraries log below WARNING only when asked by name (``info,aiohttp=debug``).
"""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from typing import TextIO

_COLOURS = {
    logging.DEBUG: "2",
    logging.INFO: "32",
    logging.WARNING: "33",
    logging.ERROR: "31",
    logging.CRITICAL: "1;31",
}
_LEVELS = ("debug", "info", "warning", "error", "critical")
LIBRARIES = ("aiohttp", "aiosqlite", "asyncio", "grpc", "grpc._cython", "kubernetes", "urllib3")


class LineFormatter(logging.Formatter):
    """See the module. Line breaks in a message are written as ``\\n``; a traceback follows, indented."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        instant = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        level = f"{record.levelname:<8}"[:8].rstrip().ljust(7)
        message = record.getMessage().replace("\n", "\\n")
        name = record.name
        if self._colour:
            level = f"\033[{_COLOURS.get(record.levelno, '0')}m{level}\033[0m"
            instant, name = f"\033[2m{instant}\033[0m", f"\033[36m{name}\033[0m"
        line = f"{instant} {level} {name}  {message}"
        if record.exc_info and record.exc_info[0] is not None:
            trace = self.formatException(record.exc_info)
            line += "\n" + "\n".join("    " + text for text in trace.splitlines())
        return line


def parse_levels(text: str) -> tuple[int, dict[str, int]]:
    """``info,etcdlite=debug`` as (root level, level by logger). Raises ``ValueError`` naming the bad word."""
    root, named = logging.INFO, {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, word = part.rpartition("=")
        if word.lower() not in _LEVELS:
            raise ValueError(f"unknown log level {word!r}: use one of {', '.join(_LEVELS)}")
        level = getattr(logging, word.upper())
        if equals:
            named[name] = level
        else:
            root = level
    return root, named


def setup(levels: str = "info", *, stream: TextIO | None = None, colour: bool | None = None) -> None:
    """Send all logs of this process to ``stream`` (standard error). Replaces what was set up before.

    ``colour`` None decides by itself: on a terminal, unless ``NO_COLOR`` is set (https://no-color.org).
    """
    root_level, named = parse_levels(levels)
    out = stream or sys.stderr
    if colour is None:
        colour = out.isatty() and not os.environ.get("NO_COLOR")
    handler = logging.StreamHandler(out)
    handler.setFormatter(LineFormatter(colour=colour))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(root_level)
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(max(root_level, logging.WARNING))
    for name, level in named.items():
        logging.getLogger(name).setLevel(level)
