"""Completion indexes of Indexed jobs: the text form `0-3,5,8` and the indexes of pods. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from machinery.client.api import Object
from machinery.objects import meta

INDEX = "batch.kubernetes.io/job-completion-index"
"""The annotation and label that carry a pod's index."""


def parse(text: str) -> set[int]:
    """The indexes of a text; what is malformed is left out."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, dash, last = part.partition("-")
        if first.isdecimal() and (not dash or last.isdecimal()):
            found.update(range(int(first), int(last if dash else first) + 1))
    return found


def text(indexes: Iterable[int]) -> str:
    """Runs of three and more as `first-last`, in order."""
    runs: list[list[int]] = []
    for each in sorted(set(indexes)):
        if runs and runs[-1][-1] == each - 1:
            runs[-1][1:] = [each]
        else:
            runs.append([each])
    parts = []
    for run in runs:
        joiner = "," if run[-1] == run[0] + 1 else "-"
        parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}{joiner}{run[-1]}")
    return ",".join(parts)


def of_pod(pod: Object) -> int | None:
    """A pod's index; None when it has none."""
    value = meta.annotation(pod, INDEX) or ""
    return int(value) if value.isdecimal() else None
