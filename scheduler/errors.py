"""What can go wrong in a scheduler.

    SchedulerError
    └── BadConfig      a setting that cannot work

That a pod fits nowhere is no error: it is a `diagnosis.Diagnosis`.
"""

from __future__ import annotations


class SchedulerError(Exception):
    """The root of the scheduler's own errors."""


class BadConfig(SchedulerError, ValueError):
    """A setting that cannot work; the message names it."""
