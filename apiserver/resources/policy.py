"""The policy group."""

from __future__ import annotations

from apiserver.resources.rows import STATUS, built_in
from apiserver.resources.rules import Rules

ROWS = (
    built_in(
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        short=("pdb",),
        subresources=(STATUS,),
        strategy=Rules(unconditional=False),
    ),
)
