import pytest

from etcdlite.errors import LeaseExists, LeaseNotFound, LeaseTtlTooLarge
from etcdlite.store.leases import MAX_TTL, MIN_TTL, Leases


def test_a_lease_runs_out_at_its_deadline_unless_renewed() -> None:
    leases = Leases()
    leases.grant(1, 10, now=0.0)
    leases.grant(2, 20, now=0.0)
    assert leases.next_deadline() == 10.0
    leases.renew(1, now=8.0)
    assert leases.next_deadline() == 18.0
    assert leases.expired(17.9) == []
    assert leases.expired(20.0) == [1, 2]
    assert leases.expired(20.0) == [1, 2], "they stay due until revoked"
    leases.revoke(1)
    assert leases.expired(20.0) == [2]
    with pytest.raises(LeaseNotFound):
        leases.renew(2, now=20.0)


def test_short_times_are_raised_and_long_ones_refused() -> None:
    leases = Leases()
    assert leases.grant(1, -5, now=0.0).ttl == MIN_TTL
    with pytest.raises(LeaseTtlTooLarge):
        leases.grant(2, MAX_TTL + 1, now=0.0)
    with pytest.raises(LeaseExists):
        leases.grant(1, 5, now=0.0)


def test_a_key_hangs_on_one_lease() -> None:
    leases = Leases()
    for lease_id in (1, 2):
        leases.grant(lease_id, 10, now=0.0)
    leases.attach(b"k", 1)
    leases.attach(b"k", 2)
    one, two = leases.all()
    assert (one.keys, two.keys, leases.holder(b"k")) == (set(), {b"k"}, 2)
    leases.attach(b"k", 0)
    assert (two.keys, leases.holder(b"k")) == (set(), 0)
    leases.attach(b"k", 1)
    assert leases.revoke(1).keys == {b"k"} and leases.holder(b"k") == 0


def test_a_restored_lease_has_what_was_left() -> None:
    leases = Leases()
    assert leases.restore(1, 100, 30, now=5.0).remaining(5.0) == 30
    assert leases.restore(2, 100, 0, now=5.0).remaining(5.0) == 100
