"""The autoscaling group: one kind in two versions, stored as v2."""

from __future__ import annotations

from apiserver.resources.columns import autoscaling as columns
from apiserver.resources.defaults import autoscaling as defaults
from apiserver.resources.hpa_versions import to_v1, to_v2
from apiserver.resources.rows import ALL, STATUS, built_in
from apiserver.resources.rules import Rules
from apiserver.resources.validation import autoscaling as validation
from machinery.objects.gvk import GVK

ROWS = (
    built_in(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        short=("hpa",),
        categories=ALL,
        subresources=(STATUS,),
        columns=columns.HPA,
        strategy=Rules(
            generation=False,
            initial_status={"currentReplicas": 0, "desiredReplicas": 0},
            default=defaults.hpa_v2,
            validate=validation.hpa_v2,
        ),
    ),
    built_in(
        "autoscaling/v1",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        short=("hpa",),
        categories=ALL,
        subresources=(STATUS,),
        columns=columns.HPA,
        strategy=Rules(
            generation=False,
            initial_status={"currentReplicas": 0, "desiredReplicas": 0},
            default=defaults.hpa_v1,
            validate=validation.hpa_v1,
        ),
        stored_as=GVK("autoscaling", "v2", "HorizontalPodAutoscaler"),
        to_storage=to_v2,
        from_storage=to_v1,
    ),
)
