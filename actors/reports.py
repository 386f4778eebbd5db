"""What supervisors tell about their children: typed events, handed to one hook (``System(report=...)``)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from actors.errors import Refused, RestartLimit

log = logging.getLogger("actors")


@dataclass(frozen=True, slots=True)
class Started:
    """``setup`` returned; ``restarts`` is 0 for the first start."""

    path: str
    restarts: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The actor ended without an error: it finished, or was stopped."""

    path: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """Setup, a handler, a background task or teardown raised.

    ``handed_on`` says that a first start failed: whoever started the actor gets the error raised, and answers for it.
    """

    path: str
    error: BaseException
    handed_on: bool = False


@dataclass(frozen=True, slots=True)
class Restarting:
    """A restart is due in ``delay`` seconds."""

    path: str
    delay: float


@dataclass(frozen=True, slots=True)
class LimitReached:
    """The child crashed too often; ``escalated`` says whether its supervisor crashes with it."""

    path: str
    error: BaseException | None
    escalated: bool


@dataclass(frozen=True, slots=True)
class StopTimeout:
    """The actor did not stop in time and is cancelled; ``abandoned`` when not even that ended it."""

    path: str
    shutdown: float
    abandoned: bool


@dataclass(frozen=True, slots=True)
class SlowHandler:
    """One message took long, waiting included."""

    path: str
    message: str
    seconds: float


Report = Started | Ended | Crashed | Restarting | LimitReached | StopTimeout | SlowHandler


def with_traceback(error: BaseException) -> BaseException | None:
    """What to log a traceback of (for ``exc_info``): nothing when the error says it all.

    That is when the host refuses something (a port, a file; told anew in a sentence it has no number), when the error
    is made for it, and when a supervisor gave up, whose reason is logged.
    """
    refused = isinstance(error, OSError) and (error.errno is not None or type(error) is OSError)
    return None if refused or isinstance(error, Refused | RestartLimit) else error


def log_report(report: Report) -> None:
    """The default hook: one log line per event."""
    match report:
        case Started(path, restarts):
            log.debug("actor started actor=%s restarts=%d", path, restarts)
        case Ended(path):
            log.debug("actor ended actor=%s", path)
        case Crashed(path, error, handed_on=True):
            level = logging.DEBUG if isinstance(error, Refused) else logging.INFO  # who started it says it all
            log.log(level, "actor could not start actor=%s error=%r", path, error)
        case Crashed(path, error):
            log.warning("actor crashed actor=%s error=%r", path, error, exc_info=with_traceback(error))
        case Restarting(path, delay):
            log.info("actor restarts actor=%s delay=%.3fs", path, delay)
        case LimitReached(path, error, escalated):
            log.error("actor crashed too often actor=%s escalated=%s last_error=%r", path, escalated, error)
        case StopTimeout(path, shutdown, abandoned):
            log.warning("actor did not stop in time actor=%s shutdown=%gs abandoned=%s", path, shutdown, abandoned)
        case SlowHandler(path, message, seconds):
            log.warning("slow handler actor=%s message=%s seconds=%.3f", path, message, seconds)
