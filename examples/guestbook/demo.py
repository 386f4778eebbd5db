"""The demo: a cluster with three nodes, the guestbook on it, and what to try next.

Everything here is what a user would type, in order: `pilot up`, `pilot apply`, `pilot get`; progress comes from
watches. `--once` ends when all is ready: exit code 0, or 1 with what is not ready and why. Ctrl-C ends the cluster,
whenever it comes.
"""

from __future__ import annotations

import signal

# until `main` answers it there is nothing to end but this process, which needs no traceback for that
signal.signal(signal.SIGINT, signal.SIG_DFL)

# ruff: noqa: E402  # what is imported takes its time, too

import argparse
import asyncio
import contextlib
import os
import pathlib
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from actors import SystemClock
from machinery.client import kubeconfig
from machinery.client.api import Client
from machinery.client.dial import dial
from machinery.client.grpc import ApiClient
from machinery.client.resources import DAEMON_SETS, DEPLOYMENTS, EVENTS, JOBS, PODS, STATEFUL_SETS
from machinery.client.target import target
from machinery.client.watch import Changed, Replaced, follow
from machinery.manifest import load_all
from machinery.objects.gvk import GVR
from machinery.objects.owners import controller_of
from pilothouse import instance

HERE = pathlib.Path(__file__).resolve().parent
NAME = "demo"
NAMESPACE = "guestbook"
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
Object = Mapping[str, Any]


def replicas(status_key: str) -> Callable[[Object], tuple[int, int]]:
    return lambda obj: ((obj.get("status") or {}).get(status_key, 0), obj["spec"].get("replicas", 1))


WORKLOADS: Mapping[GVR, Callable[[Object], tuple[int, int]]] = {
    DEPLOYMENTS: replicas("availableReplicas"),
    STATEFUL_SETS: replicas("readyReplicas"),
    DAEMON_SETS: lambda obj: (
        (obj.get("status") or {}).get("numberAvailable", 0),
        (obj.get("status") or {}).get("desiredNumberScheduled", 0) or 1,
    ),
    JOBS: lambda obj: ((obj.get("status") or {}).get("succeeded", 0), obj["spec"].get("completions", 1)),
}


def pilot(*words: str, config: pathlib.Path, check: bool = True, alone: bool = False) -> int:
    """Run a pilot command as a user would, to its end, even when Ctrl-C comes: it hears of that itself.

    alone: Ctrl-C does not reach it."""
    command = [sys.executable, "-m", "cli", *words, "--kubeconfig", str(config)]
    process: subprocess.Popen[bytes] | None = None
    try:
        with held_back():  # or one would be running that nobody knows of
            process = subprocess.Popen(command, start_new_session=alone)
        code = process.wait()
    except KeyboardInterrupt:
        if process is not None:
            process.terminate()
            process.wait()
        raise
    if check and code:
        raise SystemExit(code)
    return code


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """A block that no signal interrupts: KeyboardInterrupt comes at its end."""
    came: list[int] = []
    heard = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, frame: came.append(number)) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def surroundings() -> list[str]:
    """What another terminal has to set to have this `pilot`, and to find what this one runs."""
    bin = pathlib.Path(sys.executable).parent
    here = shutil.which("pilot")
    path = [] if here and pathlib.Path(here).parent == bin else [f"PATH={shlex.quote(str(bin))}:$PATH"]
    home = os.environ.get("PILOTHOUSE_HOME")
    return [*path, *([f"PILOTHOUSE_HOME={shlex.quote(str(pathlib.Path(home).absolute()))}"] if home else [])]


async def progress(client: Client, kind: GVR) -> AsyncIterator[tuple[str, tuple[int, int] | None]]:
    """("deployments/web", (ready, wanted)) whenever it changes; None when the workload is gone."""
    count = WORKLOADS[kind]
    async with contextlib.aclosing(follow(client, kind, clock=SystemClock(), namespace=NAMESPACE)) as steps:  # type: ignore[type-var]  # a generator
        async for step in steps:
            match step:
                case Replaced(items):
                    changed = [(obj, False) for obj in items]
                case Changed(obj, deleted):
                    changed = [(obj, deleted)]
                case _:
                    changed = []
            for obj, gone in changed:
                # what a CronJob starts is not among the manifests
                if controller_of(obj) is None:
                    yield f"{kind.resource}/{obj['metadata']['name']}", None if gone else count(obj)


async def until_ready(client: Client, expected: int, timeout: float) -> dict[str, tuple[int, int]]:
    """Show progress until all `expected` workloads are ready; answers those that are not when the time is over."""
    state: dict[str, tuple[int, int]] = {}
    done = asyncio.Event()
    live = sys.stdout.isatty()

    def show() -> None:
        ready = sum(got >= wanted for got, wanted in state.values())
        waiting = " ".join(f"{name} {got}/{wanted}" for name, (got, wanted) in sorted(state.items()) if got < wanted)
        line = f"{ready}/{expected} workloads ready  {waiting}"
        width = os.get_terminal_size().columns - 1 if live else 160
        print(f"\r\033[K{line[:width]}" if live else line, end="" if live else "\n", flush=True)
        if ready >= expected:
            done.set()

    async def look(kind: GVR) -> None:
        async for name, counts in progress(client, kind):
            before = state.get(name)
            if counts is None:
                state.pop(name, None)
            else:
                state[name] = counts
            if before != counts:
                show()

    watching = asyncio.gather(*(look(kind) for kind in WORKLOADS))
    try:
        async with asyncio.timeout(timeout):
            await done.wait()
    except TimeoutError:
        pass
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        if live:
            print()
    return {name: counts for name, counts in state.items() if counts[0] < counts[1]}


async def explain(client: Client, missing: Mapping[str, tuple[int, int]]) -> None:
    """Say what is not ready, and the last that was heard of its pods."""
    print("\nNot ready:", file=sys.stderr)
    for name, (got, wanted) in sorted(missing.items()):
        print(f"  {name}: {got} of {wanted}", file=sys.stderr)
    for pod in (await client.list(PODS, namespace=NAMESPACE)).items:
        status = pod.get("status") or {}
        for condition in status.get("conditions") or ():
            if condition["status"] != "True" and condition.get("message"):
                said = f"{condition['type']}: {condition['message']}"
                print(f"  pod/{pod['metadata']['name']} {status.get('phase')}: {said}", file=sys.stderr)
    for event in (await client.list(EVENTS, namespace=NAMESPACE, field_selector="type=Warning")).items[-10:]:
        print(f"  {event['involvedObject']['name']}: {event['reason']}: {event['message']}", file=sys.stderr)


async def watch_it(config: pathlib.Path, timeout: float) -> bool:
    manifests = [obj for path in sorted(HERE.glob("*.yaml")) for obj in load_all(path.read_bytes())]
    count = sum(obj["kind"] in KINDS for obj in manifests)
    channel = dial(target(kubeconfig.load(config)))
    try:
        client = ApiClient(channel, user_agent="demo")
        missing = await until_ready(client, count, timeout)
        if missing:
            await explain(client, missing)
        return not missing
    finally:
        await channel.close()


def tables(config: pathlib.Path) -> None:
    for words in (
        ["get", "nodes", "-o", "wide"],
        ["get", "all", "-n", NAMESPACE],
        ["get", "ingress,configmaps,secrets,serviceaccounts,roles,rolebindings", "-n", NAMESPACE],
        ["get", "endpointslices", "-n", NAMESPACE],
        ["units"],
    ):
        print(f"\n$ pilot {' '.join(words)}", flush=True)
        pilot(*words, config=config, check=False)


def next_steps(config: pathlib.Path) -> None:
    settings = " ".join([*surroundings(), f"KUBECONFIG={shlex.quote(str(config))}"])
    print(
        f"""
The cluster "{NAME}" is up. In another terminal:

  export {settings}

  kubectl get pods -A -o wide
  kubectl -n guestbook set image deployment/frontend web=guestbook-frontend:1.5.0
  kubectl -n guestbook rollout status deployment/frontend
  kubectl -n guestbook scale statefulset/redis --replicas=4
  kubectl drain node-2 --ignore-daemonsets --delete-emptydir-data

  pilot -n guestbook get pods --watch
  pilot -n guestbook logs redis-0
  pilot -n guestbook logs deployment/frontend
  pilot units status deployment
  pilot tree
  pilot down {NAME}
""",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when everything is ready")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds to wait for that")
    parser.add_argument(
        "--directory", type=pathlib.Path, default=pathlib.Path(".demo"), help="where the kubeconfig goes"
    )
    given = parser.parse_args()
    for number in ENDING:
        signal.signal(number, signal.default_int_handler)
    given.directory.mkdir(exist_ok=True)
    config = given.directory.resolve() / "kubeconfig"
    if instance.find(NAME):
        command = " ".join([*surroundings(), f"pilot down {NAME}"])
        print(f'A cluster named "{NAME}" runs already. This ends it:\n\n  {command}\n', file=sys.stderr)
        return 1
    try:
        return demonstrate(config, timeout=given.timeout, once=given.once)
    except KeyboardInterrupt:
        return 130
    finally:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        print(flush=True)
        if instance.find(NAME) or instance.left(NAME):
            pilot("down", NAME, config=config, check=False, alone=True)


def demonstrate(config: pathlib.Path, *, timeout: float, once: bool) -> int:
    """From nothing to a cluster with all of the guestbook ready; the exit code. Who calls ends the cluster."""
    pilot("up", "--name", NAME, "--nodes", "3", "--detach", config=config)
    print(f"\n$ pilot apply -f {os.path.relpath(HERE)}", flush=True)
    pilot("apply", "-f", str(HERE), config=config)
    print(flush=True)
    if not asyncio.run(watch_it(config, timeout)):
        return 1
    tables(config)
    next_steps(config)
    if not once:
        with contextlib.suppress(KeyboardInterrupt):
            print("It stays up until Ctrl-C.", flush=True)
            until_it_ends()
            if not instance.left(NAME):  # else `pilot down` says how it ended
                print(f'\nCluster "{NAME}" ended.', end="", flush=True)
    return 0


def until_it_ends() -> None:
    """Return when the cluster has ended, by `pilot down` from elsewhere; Ctrl-C comes as KeyboardInterrupt."""
    record = instance.find(NAME)
    if record is not None:
        with contextlib.suppress(ProcessLookupError):
            select.select([os.pidfd_open(record.pid)], [], [])


if __name__ == "__main__":
    sys.exit(main())
