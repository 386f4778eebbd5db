"""DynamicResources: pods that ask for devices through claims (resource.k8s.io) wait.

This cluster does not serve that API group, so no claim can be allocated; placing such a pod would start it without its
device.
"""

from __future__ import annotations

from machinery.objects import pod as pods
from scheduler.demand import PodInfo
from scheduler.framework.interfaces import Rejection


class DynamicResources:
    name = "DynamicResources"

    def check(self, pod: PodInfo) -> Rejection | None:
        claims = pods.spec(pod.object).get("resourceClaims")
        if not claims:
            return None
        first = claims[0]
        name = first.get("resourceClaimName") or first.get("resourceClaimTemplateName") or first.get("name")
        return Rejection(self.name, f'resource claim "{name}" cannot be allocated: resource.k8s.io is not served')
