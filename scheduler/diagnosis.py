"""Why not: what is kept of an attempt that found no node, and how it is said.

The text is upstream's, since people search for it: `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had
untolerated taint {a: b}. preemption: 0/3 nodes are available: …`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

NO_NODES = "no nodes available to schedule pods"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`nodes`: how many there are. `whole`: why no node was looked at, else "". `resolvable`: places where fewer pods
    might help. `plugins`: who rejected, which decides what wakes the pod."""

    nodes: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    plugins: frozenset[str] = frozenset()
    resolvable: tuple[int, ...] = ()
    whole: str = ""

    def message(self, preemption: str = "") -> str:
        """For the pod's condition and event; `preemption` is what came of trying to make room."""
        if not self.nodes and not self.whole:
            return NO_NODES
        text = fit_error(self.nodes, self.reasons, self.whole)
        return f"{text} preemption: {preemption}" if preemption else text


@dataclass(frozen=True, slots=True)
class Decision:
    """The last attempt for a pod: the node it went to, or the message of why none. `points` and `fitting` are of the
    chosen node and the number of nodes that would have done."""

    node_name: str = ""
    points: float = 0.0
    fitting: int = 0
    nodes: int = 0
    message: str = ""


def fit_error(nodes: int, reasons: Mapping[str, int], whole: str = "") -> str:
    """Upstream's text for "no node fits"; the reasons sorted as text, their counts in front."""
    text = f"0/{nodes} nodes are available"
    if whole:
        return f"{text}: {whole}."
    said = sorted(f"{count} {reason}" for reason, count in reasons.items())
    return f"{text}: {', '.join(said)}." if said else text


def tally(nodes: int, reasons: Counter[str], explained: int) -> str:
    """`fit_error` of a preemption: the nodes that were not looked at could not be helped."""
    rest = nodes - explained
    return fit_error(nodes, reasons + Counter({NOT_HELPFUL: rest}) if rest > 0 else reasons)
