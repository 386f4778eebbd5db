"""VolumeBinding: a pod's claims must exist and be bound; a bound volume's node affinity restricts the nodes.

Claims are bound by whoever provisions volumes; this scheduler waits for them. It chooses no volume by itself: a pod
whose claim waits for its first consumer stays pending with upstream's words for a cluster without matching volumes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from machinery.objects import meta
from machinery.objects import node as nodes
from machinery.objects import pod as pods
from scheduler.columns import Bools
from scheduler.demand import PodInfo
from scheduler.framework.interfaces import Rejection, View

Object = dict[str, Any]
Lookup = Callable[[str], Object | None]
"""An object by its key (`namespace/name` or `name`)."""


class VolumeBinding:
    name = "VolumeBinding"

    def __init__(self, *, claims: Lookup, volumes: Lookup, classes: Lookup) -> None:
        self._claims = claims
        self._volumes = volumes
        self._classes = classes

    def check(self, pod: PodInfo) -> Rejection | None:
        for name in claim_names(pod):
            claim = self._claims(meta.join_key(pod.namespace, name))
            if claim is None:
                return Rejection(self.name, f'persistentvolumeclaim "{name}" not found')
            if meta.is_deleting(claim):
                return Rejection(self.name, f'persistentvolumeclaim "{name}" is being deleted')
            if (claim.get("status") or {}).get("phase") == "Lost":
                return Rejection(self.name, f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume')
            if not self._volume_name(claim):
                if self._waits_for_consumer(claim):
                    return Rejection(self.name, "node(s) didn't find available persistent volumes to bind")
                return Rejection(self.name, "pod has unbound immediate PersistentVolumeClaims")
        return None

    def rejections(self, pod: PodInfo, view: View) -> Sequence[tuple[Bools, Rejection]]:
        found: list[tuple[Bools, Rejection]] = []
        for name in claim_names(pod):
            claim = self._claims(meta.join_key(pod.namespace, name))
            volume = self._volumes(self._volume_name(claim)) if claim else None
            required = ((volume or {}).get("spec") or {}).get("nodeAffinity", {}).get("required")
            if not required:
                continue
            away: Bools = np.zeros(view.columns.size, np.bool_)
            for node in view.columns.living():
                away[node.place] = node.object is not None and not nodes.matches(required, node.object)
            found.append((away, Rejection(self.name, "node(s) had volume node affinity conflict")))
        return found

    def _waits_for_consumer(self, claim: Object) -> bool:
        name = (claim.get("spec") or {}).get("storageClassName")
        found = self._classes(str(name)) if name else None
        return bool(found) and (found or {}).get("volumeBindingMode") == "WaitForFirstConsumer"

    @staticmethod
    def _volume_name(claim: Mapping[str, Any]) -> str:
        return str((claim.get("spec") or {}).get("volumeName") or "")


def claim_names(pod: PodInfo) -> Iterator[str]:
    """The claims that the pod's volumes use, those of generic ephemeral volumes included."""
    for volume in pods.spec(pod.object).get("volumes") or ():
        claim = volume.get("persistentVolumeClaim")
        if claim:
            yield str(claim.get("claimName") or "")
        elif volume.get("ephemeral"):
            yield f"{pod.name}-{volume.get('name')}"
