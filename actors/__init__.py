"""The actor runtime: actors, supervision trees and the one clock. Standard library only; knows no Kubernetes.

Read ``actor.py`` for what to write, ``childspec.py`` and ``supervisor.py`` for how trees are built, ``clock.py`` for
time.
"""

from actors.actor import Actor
from actors.childspec import ChildSpec, OnLimit, Restart, Strategy
from actors.clock import Clock, SystemClock, Timeout, Timer, VirtualClock
from actors.dynamic import DynamicSupervisor
from actors.errors import (
    ActorCrashed,
    ActorError,
    AskTimeout,
    DeadlockError,
    DeadRef,
    MailboxFull,
    Refused,
    RestartLimit,
)
from actors.intensity import Intensity
from actors.mailbox import MailboxSpec, MailboxStats, Overflow
from actors.ref import Ref
from actors.reports import Report, log_report
from actors.supervisor import Supervisor
from actors.system import System
from actors.tree import Node, render

__all__ = [
    "Actor",
    "ActorCrashed",
    "ActorError",
    "AskTimeout",
    "ChildSpec",
    "Clock",
    "DeadRef",
    "DeadlockError",
    "DynamicSupervisor",
    "Intensity",
    "MailboxFull",
    "MailboxSpec",
    "MailboxStats",
    "Node",
    "OnLimit",
    "Overflow",
    "Ref",
    "Refused",
    "Report",
    "Restart",
    "RestartLimit",
    "Strategy",
    "Supervisor",
    "System",
    "SystemClock",
    "Timeout",
    "Timer",
    "VirtualClock",
    "log_report",
    "render",
]
