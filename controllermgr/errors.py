"""What can be wrong with the controllers' manager and with what it is asked.

ControllerManagerError
├── NoSuchUnit     no unit has that name
├── BadVerb        a unit knows no such verb
├── StartLimitHit  the unit was started too often: reset-failed first
├── BadDropIn      a drop-in file cannot be used
└── BadConfig      a flag or a file it names cannot be used
"""

from __future__ import annotations


class ControllerManagerError(Exception):
    """The root of the errors of this component."""


class NoSuchUnit(ControllerManagerError):
    def __init__(self, name: str) -> None:
        super().__init__(f"unit {name} not found")
        self.name = name


class BadVerb(ControllerManagerError):
    def __init__(self, verb: str, known: tuple[str, ...]) -> None:
        super().__init__(f"unknown verb {verb!r}, expected one of {', '.join(known)}")
        self.verb = verb


class StartLimitHit(ControllerManagerError):
    def __init__(self, name: str) -> None:
        super().__init__(f"unit {name} was started too often: see its journal, then reset-failed and start it")
        self.name = name


class BadDropIn(ControllerManagerError):
    """Names the file and what is wrong with it."""


class BadConfig(ControllerManagerError):
    """Names the setting and what is wrong with it."""
