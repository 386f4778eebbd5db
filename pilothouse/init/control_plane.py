"""Phase `control-plane`: the components as processes under one supervisor."""

from __future__ import annotations

from collections.abc import Callable

from actors import ChildSpec, Intensity, OnLimit, Supervisor
from pilothouse.init import components
from pilothouse.init.processes import Process
from pilothouse.init.renewal import Renewal
from pilothouse.init.settings import InitError, InitSettings

# A component that cannot run (a full disk, a wrong file) is tried for ever, ever more slowly: the others go on.
PATIENCE = Intensity(limit=10**6, within=3600.0, first_delay=0.5, max_delay=30.0, half_life=30.0)


def spec(settings: InitSettings, *, say: Callable[[str], None]) -> ChildSpec:
    """The processes, each started when the one before it is ready, and what renews their certificates.

    Raises InitError before phase `config`."""
    programs = components.programs(settings)
    if not programs:
        raise InitError(f"{settings.config_dir} has no component configuration: run 'pilot init phase config' first")

    def started(name: str) -> None:
        say(f"{name} is ready")

    children = [
        ChildSpec(
            program.name,
            lambda program=program: Process(program, started=started),  # type: ignore[misc]  # mypy cannot infer it
            shutdown=15.0,
            on_limit=OnLimit.FAIL_CHILD,
        )
        for program in programs
    ]
    children.append(ChildSpec("renewal", lambda: Renewal(settings)))
    return ChildSpec("control-plane", lambda: Supervisor(children, intensity=PATIENCE))
