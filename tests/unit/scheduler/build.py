"""Nodes, pods and clusters of the scheduler's tests, as short as they can be said."""

from __future__ import annotations

import itertools
from typing import Any

from scheduler.cache import Cache
from scheduler.demand import Compiler, PodInfo
from scheduler.diagnosis import Diagnosis
from scheduler.framework.registry import NO_LISTERS, Listers, profile
from scheduler.placement import Choice, Placement

Object = dict[str, Any]

_uids = itertools.count(1)


def node(
    name: str,
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    labels: dict[str, str] | None = None,
    taints: list[Object] | None = None,
    unschedulable: bool = False,
    images: list[Object] | None = None,
    **resources: str,
) -> Object:
    """A Ready node. Further resources by name, `_` for `/`."""
    amounts = {"cpu": cpu, "memory": memory, "pods": pods}
    amounts |= {key.replace("__", "/").replace("_", "-"): value for key, value in resources.items()}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"taints": taints or [], "unschedulable": unschedulable},
        "status": {"allocatable": amounts, "capacity": amounts, "images": images or []},
    }


def pod(
    name: str,
    *,
    cpu: str | None = "100m",
    memory: str | None = "64Mi",
    labels: dict[str, str] | None = None,
    namespace: str = "default",
    ports: list[Object] | None = None,
    on: str = "",
    requests: dict[str, str] | None = None,
    status: Object | None = None,
    **spec: Any,
) -> Object:
    """A pod of one container; `on` binds it, `spec` are further fields of its spec."""
    amounts = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value} | (requests or {})
    container: Object = {"name": "main", "image": "app:1", "resources": {"requests": amounts}}
    if ports:
        container["ports"] = ports
    if on:
        spec["nodeName"] = on
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{next(_uids)}", "labels": labels or {}},
        "spec": {"containers": [container], **spec},
        "status": status or {},
    }


class World:
    """A cache with a placement over it."""

    def __init__(self, *nodes: Object, disabled: tuple[str, ...] = (), listers: Listers = NO_LISTERS) -> None:
        self.cache = Cache()
        self.compiler = Compiler()
        self.placement = Placement(self.cache, profile(disabled, listers))
        for each in nodes:
            self.cache.set_node(each)

    def info(self, obj: Object) -> PodInfo:
        return self.compiler.compile(obj)

    def add(self, *pods: Object) -> None:
        """Pods that are on their nodes."""
        for each in pods:
            self.cache.confirm(self.info(each), each["spec"]["nodeName"])

    def choose(self, obj: Object) -> Choice | Diagnosis:
        return self.placement.choose(self.info(obj))

    def where(self, obj: Object) -> str:
        """The chosen node; the message when there is none."""
        result = self.choose(obj)
        return result.node_name if isinstance(result, Choice) else result.message()

    def run(self, obj: Object) -> str:
        """Choose and assume."""
        info = self.info(obj)
        result = self.placement.choose(info)
        if isinstance(result, Diagnosis):
            return result.message()
        self.cache.assume(info, result.node_name)
        return result.node_name

    def fitting(self, obj: Object) -> set[str]:
        """The nodes on which the pod fits."""
        info = self.info(obj)
        return {each.name for each in self.cache.columns.living() if self.placement.fits(info, each.place)}
