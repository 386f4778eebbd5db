"""The pure parts of users and roles: ranges, the state machine, hashes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import VirtualClock
from etcdlite import keyrange
from etcdlite.auth import check
from etcdlite.auth.check import Caller
from etcdlite.auth.passwords import Passwords, is_hash
from etcdlite.auth.ranges import Ranges
from etcdlite.auth.state import READ, READWRITE, WRITE, AuthState, Permission
from etcdlite.errors import AuthOldRevision, PermissionDenied, UserEmpty
from etcdlite.keyrange import KeyRange

KEYS = [bytes(key) for key in (b"a", b"a\0", b"aa", b"b", b"b\0", b"c", b"ca", b"d")]
keys = st.sampled_from(KEYS)
ranges = st.builds(keyrange.of, keys, st.one_of(keys, st.just(b""), st.just(b"\0"))).filter(lambda made: not made.empty)


@given(st.lists(ranges, max_size=5), ranges)
def test_ranges_cover_what_lies_inside_every_key_of_it(granted: list[KeyRange], asked: KeyRange) -> None:
    """Ends and starts are among KEYS, so two points per gap between them decide."""
    points = sorted({*KEYS, *(key + b"\0" for key in KEYS), *(key + b"\0\0" for key in KEYS), b"z"})
    inside = all(any(point in keys for keys in granted) for point in points if point in asked)
    assert Ranges(granted).cover(asked) is inside


def test_of_ranges_that_end_before_they_start_the_start_decides() -> None:
    assert Ranges([KeyRange(b"b", b"c")]).cover(KeyRange(b"b", b"a"))
    assert not Ranges([KeyRange(b"a", b"b")]).cover(KeyRange(b"b", b"a"))


def state_of(saved: dict[tuple[str, bytes], bytes | None]) -> AuthState:
    entries = [(bucket, name, value) for (bucket, name), value in saved.items() if value is not None]
    return AuthState(entries)


def test_what_was_saved_is_the_state() -> None:
    saved: dict[tuple[str, bytes], bytes | None] = {}
    state = AuthState(save=lambda bucket, name, value: saved.__setitem__((bucket, name), value))
    state.add_role("r")
    state.add_role("gone")
    for permission in (Permission(READ, b"k", b""), Permission(READWRITE, b"a\xff", b"\0")):
        state.grant_permission("r", permission)
    state.add_user("root", password=b"hash", no_password=False)
    state.add_user("zoë", password=b"", no_password=True)
    state.add_user("gone", password=b"", no_password=False)
    state.grant_role("root", "root")
    state.grant_role("zoë", "r")
    state.grant_role("zoë", "gone")
    state.enable()
    state.delete_user("gone")
    state.delete_role("gone")
    assert list(state_of(saved).entries()) == list(state.entries())
    again = state_of(saved)
    assert (again.enabled, again.revision) == (True, 13)
    assert again.user("zoë") == state.user("zoë") and again.user("zoë").roles == ("r",)
    assert again.role("r").permissions == (Permission(READWRITE, b"a\xff", b"\0"), Permission(READ, b"k", b""))


def test_a_hash_is_in_no_repr() -> None:
    state = AuthState()
    state.add_user("u", password=b"the hash", no_password=False)
    assert "the hash" not in repr(state.user("u"))


def test_a_permission_replaces_only_the_first_of_its_key() -> None:
    """As in etcd: of several ranges that begin at one key, the search finds the first."""
    state = AuthState()
    state.add_role("r")
    for range_end in (b"b", b"c"):
        state.grant_permission("r", Permission(READ, b"a", range_end))
    state.grant_permission("r", Permission(WRITE, b"a", b"b"))
    state.grant_permission("r", Permission(WRITE, b"a", b"c"))
    assert state.role("r").permissions == (
        Permission(WRITE, b"a", b"b"),
        Permission(READ, b"a", b"c"),
        Permission(WRITE, b"a", b"c"),
    )


def test_whom_a_revision_lets_through() -> None:
    state = AuthState()
    state.add_role("r")
    state.grant_permission("r", Permission(READ, b"k", b""))
    state.add_user("u", password=b"", no_password=True)
    state.grant_role("u", "r")
    check.may(state, Caller("u", state.revision), b"k", b"", READ)
    with pytest.raises(UserEmpty):
        check.may(state, check.NOBODY, b"k", b"", READ)
    with pytest.raises(AuthOldRevision):
        check.may(state, Caller("u", state.revision - 1), b"k", b"", READ)
    with pytest.raises(PermissionDenied):
        check.may(state, Caller("unknown", state.revision), b"k", b"", READ)


async def test_hashes() -> None:
    passwords = Passwords(4, clock=VirtualClock())
    first, second = await passwords.hash("sécret"), await passwords.hash("sécret")
    assert first != second, "each has a salt of its own"
    assert is_hash(first) and b"cret" not in first
    assert await passwords.match("sécret", first)
    assert await Passwords(5, clock=VirtualClock()).match("sécret", first), "made with another cost"
    assert not await passwords.match("secret", first)
    for broken in (b"", b"$2a$10$bcrypt", first[:-2], b"$scrypt$4$!$" + first[-44:], b"$scrypt$99" + first[9:]):
        assert not is_hash(broken)
        assert not await passwords.match("sécret", broken)
    for cost in (3, 17):
        with pytest.raises(ValueError, match="bcrypt-cost"):
            Passwords(cost, clock=VirtualClock())
