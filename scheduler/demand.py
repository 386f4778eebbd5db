"""What a pod asks of a node, compiled once for all alike pods.

`Demand` holds what depends on neither name, namespace nor labels: the pods of a Deployment share one, those of a
StatefulSet too. `Relations` holds the terms about other pods. `PodInfo` is one pod with both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from machinery.objects import meta, selectors
from machinery.objects import pod as pods
from machinery.objects.selectors import Selector, SelectorError

Object = dict[str, Any]

MILLI_RESOURCE = "cpu"
DEFAULT_CPU = 100
"""Thousandths of a CPU that a container without a request counts as in scores, as upstream."""
DEFAULT_MEMORY = 200 * 2**20
"""Bytes, likewise."""
REMEMBERED = 4096
REPLICA_LABELS = ("pod-template-hash", "controller-revision-hash")
"""What ReplicaSets and StatefulSets put on their pods, alike on all of one revision and on no others."""
DEFAULT_SPREAD = (("kubernetes.io/hostname", 3), ("topology.kubernetes.io/zone", 5))
"""(topology key, maxSkew) of the soft constraints for replicas that have none of their own, as upstream's defaults."""

Port = tuple[str, str, int]
"""(host IP, protocol, port)."""


@dataclass(slots=True, eq=False)
class Demand:
    """Compared by identity: alike pods share the object as long as it is remembered."""

    signature: bytes
    spec: Object
    """`nodeSelector`, `tolerations` and `affinity.nodeAffinity` of the pod's spec, and nothing else."""
    requests: tuple[tuple[str, int], ...]
    """Non-zero amounts: cpu in thousandths, everything else in units; `pods` is 1."""
    scored_cpu: int
    scored_memory: int
    best_effort: bool
    """Asks for no cpu and no memory."""
    ports: tuple[Port, ...]
    images: tuple[str, ...]
    node_names: frozenset[str] | None
    """The only nodes that its required affinity can mean (as of a DaemonSet's pod); None when it names none."""


@dataclass(frozen=True, slots=True)
class Term:
    """Pods that a term is about, and the topology it speaks of."""

    namespaces: frozenset[str]
    namespace_selector: Selector
    selector: Selector
    topology_key: str

    def selects(self, namespace: str, labels: Mapping[str, str], namespace_labels: Mapping[str, str]) -> bool:
        """Whether a pod with these labels in this namespace is meant."""
        if namespace not in self.namespaces and not self.namespace_selector.matches(namespace_labels):
            return False
        return self.selector.matches(labels)


@dataclass(frozen=True, slots=True)
class SpreadConstraint:
    """One `topologySpreadConstraints` entry."""

    max_skew: int
    term: Term
    hard: bool
    min_domains: int
    honor_affinity: bool
    honor_taints: bool
    default: bool = False
    """Not asked for by the pod: nodes without the topology key lose nothing by it."""


@dataclass(frozen=True, slots=True)
class Relations:
    """Terms of one pod about others."""

    affinity: tuple[Term, ...] = ()
    anti_affinity: tuple[Term, ...] = ()
    preferred: tuple[tuple[int, Term], ...] = ()
    """(weight, term); the weight is negative for anti-affinity."""
    spread: tuple[SpreadConstraint, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.affinity or self.anti_affinity or self.preferred or self.spread)


NO_RELATIONS = Relations()


@dataclass(slots=True, eq=False)
class PodInfo:
    """One pod as the scheduler sees it."""

    key: str
    uid: str
    name: str
    namespace: str
    labels: Mapping[str, str]
    priority: int
    demand: Demand
    relations: Relations
    object: Object


class Compiler:
    """Makes PodInfos. Remembers the demands of the last few thousand classes."""

    def __init__(self) -> None:
        self._demands: dict[bytes, Demand] = {}

    def compile(self, pod: Object) -> PodInfo:
        """The pod's info. A malformed selector selects nothing (the API server admits none)."""
        spec = pods.spec(pod)
        metadata = pod.get("metadata") or {}
        namespace, labels = str(metadata.get("namespace") or ""), metadata.get("labels") or {}
        return PodInfo(
            key=meta.key(pod),
            uid=str(metadata.get("uid") or ""),
            name=str(metadata.get("name") or ""),
            namespace=namespace,
            labels=labels,
            priority=int(spec.get("priority") or 0),
            demand=self._demand(pod, spec),
            relations=relations_of(spec, namespace, labels),
            object=pod,
        )

    def _demand(self, pod: Object, spec: Object) -> Demand:
        signature = _signature(spec)
        known = self._demands.get(signature)
        if known is None:
            if len(self._demands) >= REMEMBERED:
                for old in list(self._demands)[: REMEMBERED // 2]:
                    del self._demands[old]
            known = self._demands[signature] = _demand(signature, pod, spec)
        return known


def _signature(spec: Object) -> bytes:
    affinity = spec.get("affinity")
    parts = [
        spec.get("nodeSelector"),
        affinity.get("nodeAffinity") if affinity else None,
        spec.get("tolerations"),
        [(each.get("resources"), each.get("ports"), each.get("image")) for each in spec.get("containers") or ()],
        [
            (each.get("resources"), each.get("ports"), each.get("image"), each.get("restartPolicy"))
            for each in spec.get("initContainers") or ()
        ],
        spec.get("overhead"),
        spec.get("resources"),
        spec.get("hostNetwork"),
    ]
    return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)


def _demand(signature: bytes, pod: Object, spec: Object) -> Demand:
    amounts = {
        name: quantity.milli() if name == MILLI_RESOURCE else quantity.value()
        for name, quantity in pods.requests(pod).items()
    }
    cpu, memory = scored_requests(pod)
    return Demand(
        signature=signature,
        spec={
            "nodeSelector": spec.get("nodeSelector"),
            "tolerations": spec.get("tolerations"),
            "affinity": {"nodeAffinity": (spec.get("affinity") or {}).get("nodeAffinity")},
        },
        requests=tuple(sorted((name, amount) for name, amount in amounts.items() if amount)),
        scored_cpu=cpu,
        scored_memory=memory,
        best_effort=not amounts.get("cpu") and not amounts.get("memory"),
        ports=tuple(sorted(set(pods.host_ports(pod)))),
        images=tuple(str(each.get("image") or "") for each in pods.containers(pod)),
        node_names=_named_nodes(spec),
    )


def scored_requests(pod: Object) -> tuple[int, int]:
    """(cpu in thousandths, memory in bytes) as scores count them: a container without a request has a default one."""

    def amounts(container: Mapping[str, Any]) -> tuple[int, int]:
        requested = pods.container_requests(container)
        cpu, memory = requested.get("cpu"), requested.get("memory")
        return (
            DEFAULT_CPU if cpu is None else cpu.milli(),
            DEFAULT_MEMORY if memory is None else memory.value(),
        )

    running = [amounts(each) for each in pods.containers(pod)]
    running += [amounts(each) for each in pods.init_containers(pod) if pods.is_sidecar(each)]
    steps = [amounts(each) for each in pods.init_containers(pod) if not pods.is_sidecar(each)]
    overhead = amounts({"resources": {"requests": {"cpu": 0, "memory": 0, **(pods.spec(pod).get("overhead") or {})}}})
    cpu = max([sum(each[0] for each in running), *(each[0] for each in steps)])
    memory = max([sum(each[1] for each in running), *(each[1] for each in steps)])
    return cpu + overhead[0], memory + overhead[1]


def _named_nodes(spec: Object) -> frozenset[str] | None:
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if not affinity:
        return None
    names: set[str] = set()
    for term in affinity.get("nodeSelectorTerms") or ():
        named = [
            set(each.get("values") or ())
            for each in term.get("matchFields") or ()
            if each.get("key") == "metadata.name" and each.get("operator") == "In"
        ]
        if not named:
            return None
        names |= set.intersection(*named)
    return frozenset(names)


def relations_of(spec: Object, namespace: str, labels: Mapping[str, str]) -> Relations:
    """The terms of a pod spec about other pods."""
    affinity, spread = spec.get("affinity") or {}, spec.get("topologySpreadConstraints")
    towards, away = affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}
    constraints = tuple(_constraint(each, namespace, labels) for each in spread or ())
    if not constraints and labels:
        constraints = _default_spread(namespace, labels)
    if not towards and not away and not constraints:
        return NO_RELATIONS
    required, preferred = (
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    )

    def weighted(section: Object, sign: int) -> list[tuple[int, Term]]:
        return [
            (sign * int(each.get("weight") or 0), _term(each.get("podAffinityTerm") or {}, namespace, labels))
            for each in section.get(preferred) or ()
        ]

    return Relations(
        affinity=tuple(_term(each, namespace, labels) for each in towards.get(required) or ()),
        anti_affinity=tuple(_term(each, namespace, labels) for each in away.get(required) or ()),
        preferred=tuple(weighted(towards, 1) + weighted(away, -1)),
        spread=constraints,
    )


def _default_spread(namespace: str, labels: Mapping[str, str]) -> tuple[SpreadConstraint, ...]:
    """Replicas of one workload keep apart where nothing else decides."""
    mark = next(((key, labels[key]) for key in REPLICA_LABELS if key in labels), None)
    if mark is None:
        return ()
    selector = selectors.from_set(dict([mark]))
    return tuple(
        SpreadConstraint(
            max_skew=skew,
            term=Term(frozenset({namespace}), selectors.NOTHING, selector, key),
            hard=False,
            min_domains=1,
            honor_affinity=True,
            honor_taints=False,
            default=True,
        )
        for key, skew in DEFAULT_SPREAD
    )


def _term(term: Object, namespace: str, labels: Mapping[str, str]) -> Term:
    named, selector = term.get("namespaces") or (), term.get("namespaceSelector")
    return Term(
        namespaces=frozenset(named) if named else frozenset() if selector is not None else frozenset({namespace}),
        namespace_selector=_selector(selector),
        selector=_selector(
            term.get("labelSelector"), labels, term.get("matchLabelKeys"), term.get("mismatchLabelKeys")
        ),
        topology_key=str(term.get("topologyKey") or ""),
    )


def _constraint(constraint: Object, namespace: str, labels: Mapping[str, str]) -> SpreadConstraint:
    return SpreadConstraint(
        max_skew=int(constraint.get("maxSkew") or 1),
        term=Term(
            namespaces=frozenset({namespace}),
            namespace_selector=selectors.NOTHING,
            selector=_selector(constraint.get("labelSelector"), labels, constraint.get("matchLabelKeys")),
            topology_key=str(constraint.get("topologyKey") or ""),
        ),
        hard=constraint.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule",
        min_domains=int(constraint.get("minDomains") or 1),
        honor_affinity=constraint.get("nodeAffinityPolicy", "Honor") == "Honor",
        honor_taints=constraint.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )


def _selector(
    selector: Object | None,
    labels: Mapping[str, str] | None = None,
    match_keys: Sequence[str] | None = None,
    mismatch_keys: Sequence[str] | None = None,
) -> Selector:
    """The selector of the term, with the pod's own values of `matchLabelKeys` and against `mismatchLabelKeys`."""
    if selector is not None and labels is not None and (match_keys or mismatch_keys):
        more = [
            {"key": key, "operator": operator, "values": [labels[key]]}
            for keys, operator in ((match_keys, "In"), (mismatch_keys, "NotIn"))
            for key in keys or ()
            if key in labels
        ]
        selector = {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *more]}
    try:
        return selectors.from_label_selector(selector)
    except SelectorError:
        return selectors.NOTHING
