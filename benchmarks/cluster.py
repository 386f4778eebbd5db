"""One measurement of the whole cluster, in this process: starts, pods, verbs, memory.

    python -m benchmarks.cluster cold|start|up|pods|verbs|idle|idle-listening

Prints one line of JSON, figure to value. `python -m benchmarks` runs each in a fresh process, several times, and prints
the table; alone it is what a profiler is pointed at. `up` runs `pilot up --detach` and `pilot down` as a user does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib
import json
import os
import pathlib
import pkgutil
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilothouse.cluster import Cluster

Figures = dict[str, float]

PACKAGES = (
    "actors", "protos", "machinery", "etcdlite", "apiserver", "controllermgr", "scheduler", "nodeagent", "pilothouse",
)  # fmt: skip
NOT_A_CLUSTERS = frozenset({"__main__", "pytest_plugin"})
PODS_OF_DEPLOYMENT = 1000
NODES = 10
PATIENCE_SECONDS = 300.0
SETTLE_SECONDS = 3.0
CREATED = 1000
READ = 2000
LISTED = 20


def resident() -> float:
    """Resident MB (10^6 bytes) of this process."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def cold() -> Figures:
    """Milliseconds from the first import to the answer of the first request and to a Ready node, in a new process."""
    began = time.perf_counter()
    from pilothouse.cluster import Cluster

    imported = time.perf_counter()
    figures = await _started(Cluster, began)
    return {"imports": (imported - began) * 1e3, **figures}


async def start() -> Figures:
    """Milliseconds from `Cluster()` to the answer of the first request and to a Ready node, after imports: every module
    of ours is loaded, and nothing else was done. `again`: the same for the second cluster of the process."""
    import_everything()
    from pilothouse.cluster import Cluster

    modules = len(sys.modules)
    figures = await _started(Cluster, time.perf_counter())
    figures["modules imported meanwhile"] = len(sys.modules) - modules
    again = await _started(Cluster, time.perf_counter())
    return {**figures, **{f"{key}, again": value for key, value in again.items()}}


async def _started(make: Callable[[], Cluster], began: float) -> Figures:
    from machinery.client.resources import NAMESPACES

    cpu = time.process_time()
    cluster = make()
    try:
        await cluster.start()
        await cluster.client().list(NAMESPACES)
        answered, cpu = time.perf_counter(), time.process_time() - cpu
        await cluster.nodes_ready()
        ready = time.perf_counter()
    finally:
        await cluster.stop()
    return {"first answer": (answered - began) * 1e3, "CPU": cpu * 1e3, "node ready": (ready - began) * 1e3}


def import_everything() -> None:
    """All modules that a cluster could come to need, those that it imports late too."""
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(path, f"{package}."):
            if module.name.rpartition(".")[2] not in NOT_A_CLUSTERS:
                importlib.import_module(module.name)


async def up() -> Figures:
    """Seconds that `pilot up --nodes 3 --detach` takes as a process, from its start to its end."""
    return await asyncio.to_thread(_up)


def _up() -> Figures:
    with tempfile.TemporaryDirectory(prefix="pilothouse-bench-") as home:
        environ = {**os.environ, "PILOTHOUSE_HOME": f"{home}/state", "KUBECONFIG": f"{home}/kubeconfig"}
        pilot = [sys.executable, "-m", "cli"]
        began = time.perf_counter()
        try:
            subprocess.run([*pilot, "up", "--nodes", "3", "--detach"], env=environ, check=True, capture_output=True)
            took = time.perf_counter() - began
        finally:
            subprocess.run([*pilot, "down"], env=environ, check=False, capture_output=True)
    return {"wall": took}


async def pods() -> Figures:
    """Seconds until a Deployment of 1,000 pods on 10 fake nodes counts them all as ready, and the CPU of it."""
    from machinery.client.resources import DEPLOYMENTS
    from pilothouse.cluster import Cluster

    labels = {"app": "bench"}
    container = {"name": "c", "image": "busybox", "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "bench", "namespace": "default"},
        "spec": {
            "replicas": PODS_OF_DEPLOYMENT,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    async with Cluster(nodes=NODES) as cluster:
        await cluster.nodes_ready()
        client = cluster.client()
        began, cpu = time.perf_counter(), time.process_time()
        created = await client.create(DEPLOYMENTS, deployment, namespace="default")
        version = created["metadata"]["resourceVersion"]
        watch = client.watch(DEPLOYMENTS, namespace="default", resource_version=version)
        async with asyncio.timeout(PATIENCE_SECONDS), contextlib.aclosing(watch) as events:  # type: ignore[type-var]  # it is a generator
            async for event in events:
                if event.object.get("status", {}).get("readyReplicas", 0) >= PODS_OF_DEPLOYMENT:
                    break
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"wall": wall, "CPU per pod": cpu / PODS_OF_DEPLOYMENT * 1e3}


async def verbs() -> Figures:
    """CPU of this process per operation through the in-process client, with nothing else at work: microseconds, for the
    list milliseconds."""
    from machinery.client.resources import PODS, SERVICE_ACCOUNTS
    from machinery.rpc import Stub
    from pilothouse.cluster import Cluster
    from protos.pool import messages

    async with Cluster(nodes=0, agents=False, scheduler=False, controllers=()) as cluster:
        client = cluster.client()
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await client.create(SERVICE_ACCOUNTS, account, namespace="default")
        spec = {"containers": [{"name": "c", "image": "busybox", "resources": {"requests": {"cpu": "1m"}}}]}

        async def post(number: int) -> None:
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}"}, "spec": spec}
            await client.create(PODS, pod, namespace="default")

        async def get(number: int) -> None:
            await client.get(PODS, f"pod-{number % CREATED}", namespace="default")

        pb, stub = messages("pilot.v1"), Stub(cluster.channel(), "pilot.v1.API")
        pods_of_default = pb.ListRequest(resource=pb.Resource(version="v1", resource="pods"), namespace="default")

        async def list_bytes(number: int) -> None:
            await stub.List(pods_of_default)

        async def list_all(number: int) -> None:
            await client.list_document(PODS, namespace="default")

        return {
            "POST pod": await cpu_of_each(CREATED, post),
            "GET pod": await cpu_of_each(READ, get),
            "LIST 1,000 pods": await cpu_of_each(LISTED, list_bytes) / 1e3,
            "LIST 1,000 pods, decoded": await cpu_of_each(LISTED, list_all) / 1e3,
        }


async def cpu_of_each(count: int, one: Callable[[int], Awaitable[None]]) -> float:
    """CPU microseconds of one operation, done `count` times one after the other."""
    gc.collect()
    before = time.process_time()
    for number in range(count):
        await one(number)
    return (time.process_time() - before) / count * 1e6


async def idle() -> Figures:
    """Resident MB of an embedded control plane without nodes, once it has nothing to do."""
    return {"resident": await _resident_when_idle(listening=False)}


async def idle_listening() -> Figures:
    """The same for one that serves REST and gRPC over TLS."""
    return {"resident": await _resident_when_idle(listening=True)}


async def _resident_when_idle(*, listening: bool) -> float:
    from pilothouse.cluster import Cluster, Listen

    async with Cluster(nodes=0, agents=False, listen=Listen() if listening else None):
        await asyncio.sleep(SETTLE_SECONDS)
        return resident()


MEASUREMENTS: dict[str, Callable[[], Awaitable[Figures]]] = {
    "cold": cold,
    "start": start,
    "up": up,
    "pods": pods,
    "verbs": verbs,
    "idle": idle,
    "idle-listening": idle_listening,
}


async def measure(name: str) -> Figures:
    """One measurement, by its name."""
    return await MEASUREMENTS[name]()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="one measurement of the whole cluster")
    parser.add_argument("name", choices=list(MEASUREMENTS))
    print(json.dumps(asyncio.run(measure(parser.parse_args().name))))
