"""What fake containers do: stages as data, and who may say so.

A *stage* is the whole life of a container: how long its image takes to pull, when it starts, how long it runs, how it
ends, what it prints, and what it answers to probes. For each container the first to speak decides:

1. a Python *behaviour*, `Callable[[Facts], Stage | None]`, given to `FakeRuntime(behaviours=...)`;
2. the first stage whose `match` fits, from the stage files in order;
3. the container's own command line, if it is one of the few that are understood (`commands.py`);
4. the stages of `stages/default.yaml`;

and then annotations of the pod change single fields. They are named `fake.pilothouse.dev/FIELD`, which speaks of the
pod's regular containers, or `fake.pilothouse.dev/FIELD.CONTAINER`, which speaks of one container of any kind:

    pull-delay, pull-error        how long the image takes; the runtime's error instead of an image
    start-delay, start-error      how long StartContainer takes; its error
    run-for                       how long the container runs ("5s"; "forever")
    exit-code, message            how it ends; its termination message
    stop-delay                    how long it takes to obey TERM ("never": until it is killed)
    logs                          what it prints when it starts, one line each
    exec-exit-code, exec-output   the answer to commands run inside it (exec probes, hooks)
    probe                         "ok"; "refuse" (no connection); or an HTTP status such as "503"

Durations are Go's ("1m30s"). A stage file is YAML: `stages:`, a list of mappings with `name`, `match` (kind,
restartPolicy, namespace, pod, container, image, labels, attempt) and the fields above in camelCase. Names in a match
may be globs; a list means any of them.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import importlib.resources
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from machinery.objects import timefmt
from nodeagent.errors import StageError

ANNOTATION_PREFIX = "fake.pilothouse.dev/"
FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the runtime knows of a container when it decides. `attempt` counts its restarts."""

    namespace: str
    pod: str
    container: str
    image: str
    kind: str = "app"
    restart_policy: str = "Always"
    attempt: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()
    args: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """The life of a container. Times are seconds; FOREVER where there is no end."""

    name: str = ""
    pull_delay: float = 0.0
    pull_error: str = ""
    start_delay: float = 0.0
    start_error: str = ""
    run_for: float = FOREVER
    exit_code: int = 0
    message: str = ""
    stop_delay: float = 0.0
    logs: str = ""
    exec_exit_code: int = 0
    exec_output: str = ""
    probe: str = "ok"


Behaviour = Callable[[Facts], Stage | None]


@dataclass(frozen=True, slots=True)
class Match:
    """Which containers a stage is for: every field that is given must fit."""

    kind: tuple[str, ...] = ()
    restart_policy: tuple[str, ...] = ()
    namespace: tuple[str, ...] = ()
    pod: tuple[str, ...] = ()
    container: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    attempt: tuple[str, ...] = ()

    def fits(self, facts: Facts) -> bool:
        """Whether every condition holds; an empty match fits everything."""
        return (
            _any(self.kind, facts.kind)
            and _any(self.restart_policy, facts.restart_policy)
            and _any(self.namespace, facts.namespace)
            and _any(self.pod, facts.pod)
            and _any(self.container, facts.container)
            and _any(self.image, facts.image)
            and _any(self.attempt, str(facts.attempt))
            and all(fnmatch.fnmatchcase(facts.labels.get(key, ""), value) for key, value in self.labels.items())
        )


def _any(globs: tuple[str, ...], value: str) -> bool:
    return not globs or any(fnmatch.fnmatchcase(value, glob) for glob in globs)


class Script:
    """Decides the stage of each container, in the order that the module says."""

    def __init__(
        self, stages: Iterable[tuple[Match, Stage]] | None = None, behaviours: Iterable[Behaviour] = ()
    ) -> None:
        self._stages = list(stages or ())
        self.behaviours = list(behaviours)

    def stage(self, facts: Facts) -> Stage:
        """What this container does. Raises StageError for a malformed annotation."""
        return annotated(self._undisturbed(facts), facts)

    def _undisturbed(self, facts: Facts) -> Stage:
        from nodeagent.runtime.fake.commands import understood  # it needs the names of this module

        for behaviour in self.behaviours:
            stage = behaviour(facts)
            if stage is not None:
                return stage
        for match, stage in self._stages:
            if match.fits(facts):
                return stage
        by_command = understood(facts)
        if by_command is not None:
            return by_command
        return next((stage for match, stage in default_stages() if match.fits(facts)), Stage())


def annotated(stage: Stage, facts: Facts) -> Stage:
    """The stage with what the pod's annotations say of this container."""
    changes: dict[str, Any] = {}
    for key, text in facts.annotations.items():
        if not key.startswith(ANNOTATION_PREFIX):
            continue
        name, _, container = key.removeprefix(ANNOTATION_PREFIX).partition(".")
        if (facts.kind == "app" and not container and name not in changes) or container == facts.container:
            changes[name] = text
    if not changes:
        return stage
    parsed = dict(_value(name.replace("-", "_"), text) for name, text in changes.items())
    return dataclasses.replace(stage, **parsed)


def load(document: Any) -> list[tuple[Match, Stage]]:
    """The stages of a parsed stage file. Raises StageError naming what is wrong."""
    if not isinstance(document, Mapping) or not isinstance(document.get("stages"), list):
        raise StageError("a stage file is a mapping with a list named stages")
    return [_load_one(each) for each in document["stages"]]


@functools.cache
def default_stages() -> Sequence[tuple[Match, Stage]]:
    """The stages that come last; read when the first container needs them, once for all nodes of a process."""
    import yaml

    text = importlib.resources.files("nodeagent.runtime.fake").joinpath("stages", "default.yaml").read_text()
    return tuple(load(yaml.safe_load(text)))


def _load_one(entry: Any) -> tuple[Match, Stage]:
    if not isinstance(entry, Mapping):
        raise StageError(f"a stage is a mapping, not {entry!r}")
    known = {each.name for each in dataclasses.fields(Match)}
    match: dict[str, Any] = {}
    for key, value in (entry.get("match") or {}).items():
        name = _snake(str(key))
        if name not in known:
            raise StageError(f"stage {entry.get('name')!r}: unknown match field {key!r}")
        if name == "labels":
            match[name] = {str(label): str(glob) for label, glob in value.items()}
        else:
            match[name] = tuple(str(each) for each in (value if isinstance(value, list) else [value]))
    fields = dict(_value(_snake(str(key)), value) for key, value in entry.items() if key != "match")
    return Match(**match), Stage(**fields)


_NUMBERS = ("exit_code", "exec_exit_code")
_DURATIONS = ("pull_delay", "start_delay", "run_for", "stop_delay")
_TEXTS = ("name", "pull_error", "start_error", "message", "logs", "exec_output", "probe")


def _value(name: str, value: Any) -> tuple[str, Any]:
    try:
        if name in _NUMBERS:
            return name, int(value)
        if name in _DURATIONS:
            return name, FOREVER if value in ("forever", "never") else timefmt.parse_duration(str(value))
    except ValueError as error:
        raise StageError(f"stage field {name}: {error}") from None
    if name in _TEXTS:
        return name, "\n".join(value) if isinstance(value, list) else str(value)
    raise StageError(f"unknown stage field {name!r}")


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)
