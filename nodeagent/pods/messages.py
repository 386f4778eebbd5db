"""What a pod's worker is told."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from nodeagent.probes.prober import Verdict
from nodeagent.runtime.cri import ContainerEvent


@dataclass(frozen=True, slots=True)
class PodChanged:
    """The API's newest state of the pod."""

    pod: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PodGone:
    """The API has no such pod any more."""


@dataclass(frozen=True, slots=True)
class Look:
    """Time to look again: a wait is over."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Time to tell the API how far a slow pass is."""


Message = PodChanged | PodGone | ContainerEvent | Verdict | Look | Tell


def key(message: Message) -> Hashable:
    """Of messages that say the same of the same thing, the newest is enough."""
    match message:
        case ContainerEvent(_, container_id):
            return container_id
        case Verdict(kind, container_id):
            return kind, container_id
        case _:
            return type(message).__name__
