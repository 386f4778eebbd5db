"""ImageLocality: points for nodes that have the pod's images already, by size.

Between 23 MiB and 1,000 MiB per container the points grow from 0 to 100. Upstream also scales by the share of nodes
that have the image, against heating up one node; here the other scores do that.
"""

from __future__ import annotations

from collections.abc import Callable

from scheduler.columns import Node
from scheduler.demand import Demand

MIB = 2**20
LOWEST = 23 * MIB
HIGHEST_PER_CONTAINER = 1000 * MIB


class ImageLocality:
    name = "ImageLocality"
    fewer_is_better = False

    def rate(self, demand: Demand) -> Callable[[Node], int] | None:
        names = [normalized(image) for image in demand.images]
        highest = HIGHEST_PER_CONTAINER * max(len(names), 1)

        def points(node: Node) -> int:
            if not node.images:
                return 0
            held = sum(node.images.get(name, 0) for name in names)
            return int(100 * (min(max(held, LOWEST), highest) - LOWEST) / (highest - LOWEST))

        return points


def normalized(image: str) -> str:
    """With `:latest` when it has neither tag nor digest, as runtimes report names."""
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"
