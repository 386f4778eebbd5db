"""The policy group."""

from __future__ import annotations

from apiserver.resources.columns import groups as columns
from apiserver.resources.rows import STATUS, built_in
from apiserver.resources.rules import Rules
from apiserver.resources.validation import policy as validation

ROWS = (
    built_in(
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        short=("pdb",),
        subresources=(STATUS,),
        columns=columns.DISRUPTION_BUDGET,
        strategy=Rules(
            unconditional=False,
            initial_status={"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0},
            validate=validation.disruption_budget,
        ),
    ),
)
