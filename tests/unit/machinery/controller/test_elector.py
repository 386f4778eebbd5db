"""Who may take a Lease, and what is written into it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from machinery.controller.elector import Candidate, LeaseSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def lease(holder: str, renewed: str = "2026-01-01T00:00:00.000000Z", **spec: Any) -> dict[str, Any]:
    return {"spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15, **spec}}


def test_a_free_one_is_taken() -> None:
    candidate = Candidate("me", 15)
    candidate.observe(lease(""), 100.0)
    assert candidate.may_take(100.0)


def test_somebody_elses_is_taken_only_when_it_was_not_renewed_for_its_duration() -> None:
    candidate = Candidate("me", 15)
    candidate.observe(lease("other"), 100.0)
    assert not candidate.may_take(114.9)
    candidate.observe(lease("other", "2026-01-01T00:00:10.000000Z"), 110.0)
    assert not candidate.may_take(124.9)
    candidate.observe(lease("other", "2026-01-01T00:00:10.000000Z"), 120.0)
    assert candidate.may_take(125.0), "reading it again renews nothing"


def test_ones_own_of_an_earlier_life_is_taken_at_once_and_is_no_transition() -> None:
    candidate = Candidate("me", 15)
    candidate.observe(lease("me", leaseTransitions=3, acquireTime="2025-01-01T00:00:00.000000Z"), 100.0)
    assert candidate.may_take(100.0)
    spec = candidate.spec(NOW)
    assert (spec["leaseTransitions"], spec["acquireTime"]) == (3, "2025-01-01T00:00:00.000000Z")


def test_taking_over_counts_a_transition_and_renewing_does_not() -> None:
    candidate = Candidate("me", 15)
    candidate.observe(lease("other", leaseTransitions=3, acquireTime="2025-01-01T00:00:00.000000Z"), 0.0)
    taken = candidate.spec(NOW)
    assert taken == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "leaseTransitions": 4,
    }
    candidate.observe({"spec": taken}, 1.0)
    renewed = candidate.spec(NOW.replace(second=2))
    assert renewed == {**taken, "renewTime": "2026-01-01T00:00:02.000000Z"}


@pytest.mark.parametrize(
    ("lease_duration", "renew_deadline", "retry_period"),
    [(10.0, 10.0, 2.0), (15.0, 2.0, 2.0), (15.0, 10.0, 0.0)],
)
def test_durations_must_leave_room(lease_duration: float, renew_deadline: float, retry_period: float) -> None:
    with pytest.raises(ValueError, match="leader election needs"):
        LeaseSettings("l", lease_duration=lease_duration, renew_deadline=renew_deadline, retry_period=retry_period)
