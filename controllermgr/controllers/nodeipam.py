"""Gives every node its range of pod addresses: `spec.podCIDR`, cut from the cluster's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from machinery.client.api import Object, PatchType
from machinery.client.resources import NODES
from machinery.controller.reconcile import DONE, Outcome
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import NotFound
from machinery.objects import meta, node

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Ranges:
    """The ranges of one cluster network: as many as fit, handed out in turn. Pure."""

    def __init__(self, cluster: Network, prefix: int) -> None:
        """Raises ValueError when a node's range would be larger than the cluster's."""
        if prefix < cluster.prefixlen:
            raise ValueError(f"a node's range of /{prefix} does not fit into {cluster}")
        self._cluster = cluster
        self._prefix = prefix
        self._size = 1 << (cluster.max_prefixlen - prefix)
        self._count = 1 << (prefix - cluster.prefixlen)
        self._next = 0

    def free(self, used: Iterable[Network]) -> Network | None:
        """A range that overlaps none of these; None when there is none left."""
        taken = {index for each in used for index in self._indexes(each)}
        if len(taken) >= self._count:
            return None
        while self._next % self._count in taken:
            self._next += 1
        index = self._next % self._count
        self._next += 1
        return ipaddress.ip_network((int(self._cluster.network_address) + index * self._size, self._prefix))

    def _indexes(self, each: Network) -> Iterable[int]:
        if each.version != self._cluster.version or not each.overlaps(self._cluster):
            return ()
        base = int(self._cluster.network_address)
        first = max(int(each.network_address) - base, 0) // self._size
        last = min((int(each.broadcast_address) - base) // self._size, self._count - 1)
        return range(first, last + 1)


class NodeRanges:
    """The reconciler. One worker: two must not choose the same range."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._recorder = context.recorder
        self._nodes = context.informers.store(NODES)
        bits = {4: int(context.config["nodeCIDRMaskSize"]), 6: int(context.config["nodeCIDRMaskSizeIPv6"])}
        networks = [ipaddress.ip_network(text) for text in context.config["clusterCIDRs"]]
        self._ranges = [Ranges(each, bits[each.version]) for each in networks]
        self._given: dict[str, Sequence[Network]] = {}  # what the cache may not show yet

    async def reconcile(self, key: str) -> Outcome:
        host = self._nodes.get(key)
        if host is None:
            self._given.pop(key, None)
            return DONE
        if node.pod_cidrs(host) or not self._ranges:
            return DONE
        used = [*self._used(), *(each for given in self._given.values() for each in given)]
        chosen = [ranges.free(used) for ranges in self._ranges]
        if any(each is None for each in chosen):
            self._recorder.normal(host, "CIDRNotAvailable", f"Node {key} status is now: CIDRNotAvailable")
            return DONE
        found = [each for each in chosen if each is not None]
        self._given[key] = found
        texts = [str(each) for each in found]
        uid = meta.uid(host)
        patch: Object = {"metadata": {"uid": uid}, "spec": {"podCIDR": texts[0], "podCIDRs": texts}}
        try:
            await self._client.patch(NODES, key, patch, PatchType.STRATEGIC)
        except NotFound:
            self._given.pop(key, None)
        return DONE

    def _used(self) -> Iterable[Network]:
        for host in self._nodes.values():
            for text in node.pod_cidrs(host):
                yield ipaddress.ip_network(text, strict=False)


SPEC = ControllerSpec(
    "nodeipam",
    make=NodeRanges,
    workers=1,
    aliases=("node-ipam",),
    component="cidrAllocator",
    description="Gives every node its range of pod addresses",
    watches=(Watch(NODES),),
    config={"clusterCIDRs": (), "nodeCIDRMaskSize": 24, "nodeCIDRMaskSizeIPv6": 64},
)
