"""Every figure of the project in one run: the cluster beside its targets, then the store, then the scheduler.

    python -m benchmarks [--only NAME] [--rounds N] [--quick]

Each measurement of the cluster runs in a fresh process, and the measurements take turns (A B A B), so that a busy
minute of the machine falls on all of them. Nothing is asserted: a figure past its target is marked, and the run goes
on.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass

ROUNDS = 3
TABLES = {"store": "The store", "scheduler": "The scheduler"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table. measurement and key: where the value comes from. target: what it should stay below."""

    title: str
    measurement: str
    key: str
    unit: str
    target: float | None = None


FIGURES = (
    Figure("Cluster() to the first answer, imports done", "start", "first answer", "ms", 200),
    Figure("  CPU of it", "start", "CPU", "ms"),
    Figure("  to a Ready node", "start", "node ready", "ms"),
    Figure("  to the first answer of the second Cluster()", "start", "first answer, again", "ms"),
    Figure("  in a new process, imports included", "cold", "first answer", "ms"),
    Figure("pilot up --nodes 3 --detach, whole", "up", "wall", "s", 1.5),
    Figure("Deployment of 1,000 pods, 10 nodes, Ready", "pods", "wall", "s", 10),
    Figure("  CPU for each of its pods", "pods", "CPU per pod", "ms"),
    Figure("idle control plane, resident", "idle", "resident", "MB", 120),
    Figure("  serving REST and gRPC over TLS", "idle-listening", "resident", "MB", 120),
    Figure("POST pod, CPU, in process", "verbs", "POST pod", "µs"),
    Figure("GET pod, CPU, in process", "verbs", "GET pod", "µs"),
    Figure("LIST 1,000 pods, CPU, in process", "verbs", "LIST 1,000 pods", "ms"),
    Figure("  and decoded by the client", "verbs", "LIST 1,000 pods, decoded", "ms"),
)
# takes the longest, and varies least
ONCE = frozenset({"pods"})


def measured(name: str) -> dict[str, float]:
    """One measurement in a process of its own; {} when it failed, with its last line on stderr."""
    command = [sys.executable, "-m", "benchmarks.cluster", name]
    # with bytecode on disk, as pip leaves it: compiling is no part of a start
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    if done.returncode != 0:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        print(f"{name} could not be measured: {reason}", file=sys.stderr)
        return {}
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def cluster_table(names: list[str], rounds: int | None) -> None:
    """Measure and print. rounds None: the default of each measurement."""
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in range(rounds or ROUNDS):
        for name in names:
            if rounds is None and number > 0 and name in ONCE:
                continue
            for key, value in measured(name).items():
                values[name, key].append(value)
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}, CPython {sys.version.split()[0]}\n", flush=True)
    print(f"{'figure':44}{'median':>12}{'min - max':>20}{'rounds':>8}{'target':>12}")
    for figure in FIGURES:
        if figure.measurement in names:
            print(line(figure, values[figure.measurement, figure.key]), flush=True)


def line(figure: Figure, values: list[float]) -> str:
    """A figure's row; a median past its target is marked with an exclamation mark."""
    target = "-" if figure.target is None else f"< {figure.target:g} {figure.unit}"
    if not values:
        return f"{figure.title:44}{'not measured':>12}{'':>20}{0:>8}{target:>12}"
    median = statistics.median(values)
    digits = 2 if figure.unit == "s" else 1 if figure.unit == "ms" and median < 10 else 0
    late = " !" if figure.target is not None and median >= figure.target else ""
    spread = f"{min(values):,.{digits}f} - {max(values):,.{digits}f}"
    middle = f"{median:,.{digits}f} {figure.unit}"
    return f"{figure.title:44}{middle:>12}{spread:>20}{len(values):>8}{target:>12}{late}"


def table(name: str, *, quick: bool, rounds: int | None) -> None:
    """A table that a module of its own prints."""
    options = {"store": ["--quick"], "scheduler": ["--rounds", str(rounds or ROUNDS)]}[name]
    if quick and name == "scheduler":
        options += ["--nodes", "1000", "--pods", "500"]
    print(f"\n{TABLES[name]}\n", flush=True)
    code = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], check=False).returncode
    if code != 0:
        print(f"{name} could not be measured: exit code {code}", file=sys.stderr)


def main() -> None:
    names = list(dict.fromkeys(figure.measurement for figure in FIGURES))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=[*names, *TABLES], help="one measurement or table")
    parser.add_argument("--rounds", type=int, help=f"rounds of each (default {ROUNDS}; 1 of 'pods')")
    parser.add_argument("--quick", action="store_true", help="one round of each, and a smaller scheduler table")
    given = parser.parse_args()
    if given.rounds is not None and given.rounds < 1:
        parser.error("--rounds must be at least 1")
    rounds = given.rounds or (1 if given.quick else None)
    wanted = [name for name in names if given.only in (None, name)]
    if wanted:
        cluster_table(wanted, rounds)
    for name in TABLES:
        if given.only in (None, name):
            table(name, quick=given.quick, rounds=rounds)


if __name__ == "__main__":
    main()
