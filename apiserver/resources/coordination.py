"""The coordination.k8s.io group: leases."""

from __future__ import annotations

from apiserver.resources.columns import groups as columns
from apiserver.resources.rows import built_in
from apiserver.resources.rules import Rules
from apiserver.resources.validation import coordination as validation

ROWS = (
    built_in(
        "coordination.k8s.io/v1",
        "Lease",
        "leases",
        columns=columns.LEASE,
        strategy=Rules(
            status=False, generation=False, create_on_update=True, unconditional=False, validate=validation.lease
        ),
    ),
)
