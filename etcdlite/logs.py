"""Where the logs of `python -m etcdlite` go, and in which form."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler

from etcdlite.config import Config
from machinery.process import logs

_LEVELS = {"warn": "warning", "panic": "critical", "fatal": "critical"}
"""etcd's names of levels that Python has others for."""
_STREAMS = ("default", "stderr", "systemd/journal")
_NAMES = {logging.WARNING: "warn", logging.CRITICAL: "fatal"}


class JsonFormatter(logging.Formatter):
    """A record as a JSON object with etcd's fields: level, ts, caller, msg."""

    def format(self, record: logging.LogRecord) -> str:
        instant = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        fields = {
            "level": _NAMES.get(record.levelno, record.levelname.lower()),
            "ts": instant.replace("+00:00", "Z"),
            "caller": record.name,
            "msg": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["stacktrace"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def setup(config: Config) -> None:
    """Send the logs of this process where the configuration says. Raises OSError for a file that cannot be written."""
    logs.setup(_LEVELS.get(config.log_level, config.log_level))
    root = logging.getLogger()
    (standard,) = root.handlers
    handlers = {output: _handler(output, standard) for output in dict.fromkeys(map(_name, config.log_outputs))}
    root.handlers[:] = list(handlers.values()) or [standard]
    if config.log_format == "json":
        for handler in root.handlers:
            handler.setFormatter(JsonFormatter())


def on_stderr(config: Config) -> bool:
    """True when standard error is among the outputs."""
    return not config.log_outputs or "stderr" in map(_name, config.log_outputs)


def _name(output: str) -> str:
    return "stderr" if output in _STREAMS else output


def _handler(output: str, standard: logging.Handler) -> logging.Handler:
    if output == "stderr":
        return standard
    # A file that was moved away, as log rotation does, is opened anew.
    try:
        handler = logging.StreamHandler(sys.stdout) if output == "stdout" else WatchedFileHandler(output)
    except OSError as error:
        raise OSError(f"--log-outputs: cannot write {output}: {error.strerror}") from None
    handler.setFormatter(logs.LineFormatter(colour=False))
    return handler
