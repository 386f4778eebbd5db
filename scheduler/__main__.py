"""`python -m scheduler`: a scheduler as a process, against the cluster that a kubeconfig names."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from actors import Actor, ChildSpec, Supervisor, SystemClock
from actors.runner import run
from machinery.client import kubeconfig
from machinery.client.dial import check_dialable, dial
from machinery.client.kubeconfig import KubeConfigError
from machinery.client.target import Target, target
from machinery.process import logs, settings
from scheduler.app import Scheduler
from scheduler.config import Config

PROG = "scheduler"
USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; the exit code: 0 after an ordered end, 1 when it cannot run, 2 for bad flags."""
    config = settings.parse(Config, arguments, prog=PROG, description="Chooses a node for every pod that has none.")
    try:
        logs.setup(config.log_level)
        reached = target(kubeconfig.load(config.kubeconfig or None))
        check_dialable(reached)
    except (ValueError, KubeConfigError, OSError) as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return USAGE_ERROR
    return run(ChildSpec("root", lambda: _Root(config, reached)), clock=SystemClock(), name=PROG)


class _Root(Supervisor):
    """Makes the scheduler inside the event loop, which its channel belongs to."""

    def __init__(self, config: Config, reached: Target) -> None:
        from machinery.client.grpc import ApiClient

        scheduler = Scheduler(
            config, clock=SystemClock(), client=ApiClient(dial(reached, clock=SystemClock()), user_agent=PROG)
        )
        super().__init__([scheduler.spec(), ChildSpec("announce", lambda: _Announcer(scheduler))])


class _Announcer(Actor):
    """Says on standard output when pods are being placed: scripts wait for that line."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    async def setup(self) -> None:
        self.spawn(self._announce(), name="announce")

    async def _announce(self) -> None:
        await self._scheduler.ready()
        print("scheduler ready", flush=True)


if __name__ == "__main__":
    sys.exit(main())
