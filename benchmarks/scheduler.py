"""Placement decisions at 5,000 nodes: choose a node and assume the pod on it, without the API.

    python -m benchmarks.scheduler [--nodes 5000] [--pods 2000] [--rounds 3]

Each case runs in every round, one after the other, on a fresh cluster; medians are printed. The raw limit beside it is
what NumPy alone takes to filter and score all nodes once for two resources, which is what every pod would cost without
the remembered rows.
"""

from __future__ import annotations

import argparse
import gc
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from scheduler.cache import Cache
from scheduler.demand import Compiler
from scheduler.framework.registry import profile
from scheduler.placement import Choice, Placement

ZONES = 10
HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
Object = dict[str, Any]


def node(number: int) -> Object:
    amounts = {"cpu": "32", "memory": "128Gi", "pods": "110"}
    labels = {HOST: f"node-{number}", ZONE: f"zone-{number % ZONES}"}
    return {"metadata": {"name": f"node-{number}", "labels": labels}, "status": {"allocatable": amounts}}


def pod(number: int, *, labels: dict[str, str] | None = None, cpu: str = "100m", **spec: Any) -> Object:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu, "memory": "128Mi"}}}
    metadata = {"name": f"pod-{number}", "namespace": "default", "uid": f"uid-{number}", "labels": labels or {}}
    return {"metadata": metadata, "spec": {"containers": [container], **spec}}


def selecting(labels: dict[str, str]) -> Object:
    return {"labelSelector": {"matchLabels": labels}}


def plain(number: int) -> Object:
    return pod(number)


def many_classes(number: int) -> Object:
    return pod(number, cpu=f"{100 + number % 100}m")


def each_its_own_labels(number: int) -> Object:
    return pod(number, labels={"statefulset.kubernetes.io/pod-name": f"pod-{number}"})


def replicas(number: int) -> Object:
    return pod(number, labels={"pod-template-hash": f"hash-{number % 500}"})


def anti_affinity(number: int) -> Object:
    labels = {"app": f"app-{number % 20}"}
    rule = {"requiredDuringSchedulingIgnoredDuringExecution": [{**selecting(labels), "topologyKey": HOST}]}
    return pod(number, labels=labels, affinity={"podAntiAffinity": rule})


def spread(number: int) -> Object:
    labels = {"app": f"app-{number % 20}"}
    rule = {**selecting(labels), "topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    return pod(number, labels=labels, topologySpreadConstraints=[rule])


def selected(number: int) -> Object:
    return pod(number, nodeSelector={ZONE: f"zone-{number % ZONES}"})


def daemon(number: int) -> Object:
    expression = {"key": "metadata.name", "operator": "In", "values": [f"node-{number}"]}
    terms = {"nodeSelectorTerms": [{"matchFields": [expression]}]}
    return pod(number, affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}})


CASES: dict[str, Callable[[int], Object]] = {
    "plain pods, one class": plain,
    "plain pods, 100 classes": many_classes,
    "labels of their own (StatefulSet)": each_its_own_labels,
    "replicas of 500 Deployments": replicas,
    "node selector": selected,
    "named node (DaemonSet)": daemon,
    "required anti-affinity, 20 apps": anti_affinity,
    "hard zone spread, 20 apps": spread,
}


def place(nodes: list[Object], pods: Iterator[Object]) -> tuple[float, float, int]:
    """(wall seconds, CPU seconds, pods placed), the nodes' own cost not counted."""
    cache, compiler = Cache(), Compiler()
    for each in nodes:
        cache.set_node(each)
    placement = Placement(cache, profile())
    waiting = list(pods)
    gc.collect()
    wall, cpu, placed = time.perf_counter(), time.process_time(), 0
    for each in waiting:
        info = compiler.compile(each)
        result = placement.choose(info)
        if isinstance(result, Choice):
            cache.assume(info, result.node_name)
            placed += 1
    return time.perf_counter() - wall, time.process_time() - cpu, placed


def raw_limit(size: int) -> float:
    """Seconds for one vector filter and two scores over so many nodes."""
    allocatable, requested = np.full((2, size), 32_000), np.zeros((2, size), np.int64)
    runs = 200
    began = time.perf_counter()
    for _ in range(runs):
        fits = (allocatable - requested >= 100).all(axis=0)
        shares = (requested + 100) / allocatable
        total = (1 - shares.mean(axis=0)) * 100 + (1 - np.abs(shares[0] - shares[1]) / 2) * 100
        int(np.where(fits, total, -1).argmax())
    return (time.perf_counter() - began) / runs


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--pods", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    nodes = [node(number) for number in range(given.nodes)]
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    placed: dict[str, int] = {}
    for _ in range(given.rounds):
        for name, make in CASES.items():
            wall, cpu, placed[name] = place(nodes, (make(number) for number in range(given.pods)))
            results[name].append((wall, cpu))
    print(f"{given.nodes} nodes, {given.pods} pods, medians of {given.rounds} rounds")
    print(f"{'case':36}{'pods/s':>10}{'CPU µs/pod':>12}{'placed':>9}")
    for name, rounds in results.items():
        wall = statistics.median(each[0] for each in rounds)
        cpu = statistics.median(each[1] for each in rounds)
        print(f"{name:36}{given.pods / wall:>10.0f}{cpu / given.pods * 1e6:>12.0f}{placed[name]:>9}")
    raw = statistics.median(raw_limit(given.nodes) for _ in range(given.rounds))
    print(f"{'NumPy alone, all nodes once':36}{1 / raw:>10.0f}{raw * 1e6:>12.0f}")
    print(
        f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB ({before / 1024:.0f} before)"
    )


if __name__ == "__main__":
    main()
