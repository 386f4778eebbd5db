"""matchLabelKeys: terms that select pods like this one, by labels whose values only the pod knows.

On creation each key becomes a requirement on the pod's own value, so that the scheduler sees ordinary selectors
(KEP-3633 for affinity, KEP-3243 for topology spread).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from machinery.objects import meta

Object = dict[str, Any]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def resolve(pod: Object) -> None:
    """Write the pod's values into the selectors of its affinity terms and spread constraints."""
    labels = meta.labels(pod)
    for term in (*_affinity_terms(pod), *(pod["spec"].get("topologySpreadConstraints") or [])):
        if term.get("labelSelector") is None:
            continue
        for keys, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
            _require(term, [key for key in term.get(keys) or [] if key in labels], operator, labels)


def _affinity_terms(pod: Object) -> Iterator[Object]:
    affinity = pod["spec"].get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        part = affinity.get(kind) or {}
        yield from part.get(_REQUIRED) or []
        for weighted in part.get(_PREFERRED) or []:
            yield weighted.get("podAffinityTerm") or {}


def _require(term: Object, keys: list[str], operator: str, labels: dict[str, str]) -> None:
    if keys:
        selector = term["labelSelector"]
        added = [{"key": key, "operator": operator, "values": [labels[key]]} for key in keys]
        selector["matchExpressions"] = [*(selector.get("matchExpressions") or []), *added]
