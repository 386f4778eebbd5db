"""Gives every node its range of pod addresses: `spec.podCIDR`, cut from the cluster's."""

from __future__ import annotations

import ipaddress
from collections import Counter
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
        self._taken: Counter[int] = Counter()

    def take(self, each: Network) -> None:
        """Nobody else gets what this covers; it may be of any size, and lie elsewhere."""
        self._taken.update(self._indexes(each))

    def release(self, each: Network) -> None:
        """Undo a `take`."""
        for index in self._indexes(each):
            self._taken[index] -= 1
            if not self._taken[index]:
                del self._taken[index]

    def free(self) -> Network | None:
        """A range that overlaps nothing taken, not that of the answer before; None when there is none left."""
        if len(self._taken) >= self._count:
            return None
        while self._next % self._count in self._taken:
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
        self._held: dict[str, Sequence[Network]] = {}  # by node, what the cache does not show yet included
        self._begun = False

    async def reconcile(self, key: str) -> Outcome:
        if not self._ranges:
            return DONE
        if not self._begun:
            self._begun = True
            for each in self._nodes.values():
                self._hold(meta.name(each), _shown(each))
        host = self._nodes.get(key)
        if host is None:
            self._hold(key, ())
            return DONE
        if shown := _shown(host):
            self._hold(key, shown)
            return DONE
        held = self._held.get(key) or [found for ranges in self._ranges if (found := ranges.free()) is not None]
        if len(held) < len(self._ranges):
            self._recorder.normal(host, "CIDRNotAvailable", f"Node {key} status is now: CIDRNotAvailable")
            return DONE
        self._hold(key, held)
        texts = [str(each) for each in held]
        patch: Object = {"metadata": {"uid": meta.uid(host)}, "spec": {"podCIDR": texts[0], "podCIDRs": texts}}
        try:
            await self._client.patch(NODES, key, patch, PatchType.STRATEGIC)
        except NotFound:
            self._hold(key, ())
        return DONE

    def _hold(self, key: str, networks: Sequence[Network]) -> None:
        for ranges in self._ranges:
            for each in networks:
                ranges.take(each)
            for each in self._held.get(key, ()):
                ranges.release(each)
        if networks:
            self._held[key] = networks
        else:
            self._held.pop(key, None)


def _shown(host: Object) -> Sequence[Network]:
    return [ipaddress.ip_network(text, strict=False) for text in node.pod_cidrs(host)]


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
