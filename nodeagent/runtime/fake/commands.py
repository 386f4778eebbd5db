"""The few commands that the fake runtime understands: `echo`, `sleep`, `true`, `false` and `exit`, alone or in `sh -c`.

So that `kubectl create job hello --image=busybox -- echo hello` has a log, and `sleep 5` takes five seconds. If
anything else is in a command line (a variable, a pipe, a loop, another program), nothing of it is understood.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from machinery.objects import timefmt
from nodeagent.runtime.fake.stages import FOREVER, Facts, Stage

SHELLS = ("sh", "bash", "ash", "/bin/sh", "/bin/bash", "/bin/ash")
PLAIN_IMAGES = ("busybox", "alpine", "debian", "ubuntu", "bash", "fedora")
"""Images without an entrypoint of their own: their args are a command line."""

_SPECIAL = re.compile(r"[$`|<>&(){}*?\\#!]")


@dataclass(slots=True)
class _Run:
    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)
    code: int = 0


def understood(facts: Facts) -> Stage | None:
    """What the container does by its command line; None when that is not understood."""
    words = list(facts.command)
    if not words:
        plain = facts.image.rpartition("/")[2].partition(":")[0].partition("@")[0] in PLAIN_IMAGES
        words = list(facts.args) if plain else []
    else:
        words += facts.args
    if len(words) >= 3 and words[0] in SHELLS and words[1] in ("-c", "-ec", "-ce"):
        run = _script(words[2])
    else:
        run = _Run()
        if not words or not _one(words, run):
            return None
    if run is None:
        return None
    return Stage(name="command", run_for=run.seconds, exit_code=run.code, logs="\n".join(run.lines))


def _script(text: str) -> _Run | None:
    run = _Run()
    for step in re.split(r"\s*(?:;|\n)\s*", text.strip().rstrip(";")):
        run.code = 0
        for part in re.split(r"\s*&&\s*", step):
            if _SPECIAL.search(part):
                return None
            try:
                words = shlex.split(part)
            except ValueError:
                return None
            if not words or not _one(words, run):
                return None
            if words[0] == "exit":
                return run
            if run.code or run.seconds == FOREVER:
                break
    return run


def _one(words: Sequence[str], run: _Run) -> bool:
    """Carry out one command; False when it is not understood."""
    match [words[0].rpartition("/")[2], *words[1:]]:
        case ["echo", *rest] if not rest or not rest[0].startswith("-"):
            run.lines.append(" ".join(rest))
        case ["sleep", "infinity" | "inf"]:
            run.seconds = FOREVER
        case ["sleep", text]:
            try:
                run.seconds += timefmt.parse_duration(text if text[-1:].isalpha() else f"{text}s")
            except ValueError:
                return False
        case ["true"] | [":"]:
            pass
        case ["false"]:
            run.code = 1
        case ["exit"]:
            pass
        case ["exit", code] if code.isdigit():
            run.code = int(code) & 255
        case _:
            return False
    return True
