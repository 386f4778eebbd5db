"""Requests, one after the other, whose answers must be the same from the specification, etcdlite and etcd.

Each dialogue begins on an empty store; `rev(n)` is the revision `n` after the one it begins at. What a dialogue says is
data: who answers, and how answers are compared, is `test_dialogues.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.support.etcd import op, pb

R, P, D, T, C = pb.RangeRequest, pb.PutRequest, pb.DeleteRangeRequest, pb.TxnRequest, pb.Compare
ALL: dict[str, Any] = {"key": b"\0", "range_end": b"\0"}
FROM_KEY = b"\0"
FAR = 2**63 - 1
MAX_TTL = 9_000_000_000
ORDERS = [(order, target) for order in range(3) for target in range(5)]

Revision = Callable[[int], int]


def txn(*success: Any, compare: Any = (), failure: Any = ()) -> Any:
    return T(compare=compare, success=[op(each) for each in success], failure=[op(each) for each in failure])


def compact(revision: int, *, physical: bool = True) -> Any:
    return pb.CompactionRequest(revision=revision, physical=physical)


def six_keys() -> Iterator[Any]:
    """a to f, no two alike in version, creation, change or value. Takes revisions 1 to 21."""
    for number, key in enumerate((b"c", b"a", b"f", b"b", b"e", b"d")):
        for turn in range(number + 1):
            yield P(key=key, value=b"%d" % (9 - number - turn))


def ranges(rev: Revision) -> Iterator[Any]:
    yield from six_keys()
    yield R(**ALL)
    for order, target in ORDERS:
        yield R(**ALL, sort_order=order, sort_target=target)
        yield R(**ALL, sort_order=order, sort_target=target, limit=4, keys_only=True)
        yield R(**ALL, sort_order=order, sort_target=target, limit=2, min_mod_revision=rev(4), revision=rev(18))
        yield R(key=b"b", range_end=b"e", sort_order=order, sort_target=target, limit=FAR)
    for limit in (-FAR, -1, 1, 5, 6, 7, FAR):
        yield R(**ALL, limit=limit)
        yield R(**ALL, limit=limit, count_only=True)
        yield R(**ALL, limit=limit, sort_order=R.DESCEND)
        yield R(**ALL, limit=limit, max_mod_revision=rev(15))
    for revision in (-FAR, -1, 0, rev(1), rev(3), rev(6), rev(21), rev(22), FAR):
        yield R(**ALL, revision=revision)
        yield R(**ALL, revision=revision, count_only=True, keys_only=True)
        yield R(key=b"a", revision=revision, serializable=True)
    for bound in (-1, rev(1), rev(3), rev(10), FAR):
        yield R(**ALL, min_mod_revision=bound)
        yield R(**ALL, max_mod_revision=bound, count_only=True)
        yield R(**ALL, max_mod_revision=bound, limit=1)
        yield R(**ALL, min_create_revision=bound, max_create_revision=rev(16))
        yield R(**ALL, max_create_revision=bound, min_mod_revision=rev(6), sort_order=R.DESCEND, sort_target=R.MOD)


def bounds(rev: Revision) -> Iterator[Any]:
    yield from six_keys()
    yield P(key=b"\0", value=b"lowest")
    yield P(key=b"a\0")
    yield P(key=b"\xff\xff")
    ends = (b"", b"\0", b"\0\0", b"a", b"a\0", b"b", b"\xff", b"\xff\xff\0")
    for key in (b"\0", b"a", b"b", b"\xff", b"\xff\xff"):
        for end in ends:
            yield R(key=key, range_end=end, keys_only=True)
            yield txn(R(key=key, range_end=end, count_only=True), compare=[C(key=key, range_end=end, version=1)])
    yield R()
    yield R(range_end=b"b")
    for key, end in ((b"e", b"c"), (b"c", b"c"), (b"none", b""), (b"a", b"a\0"), (b"b", b"d"), (b"e", FROM_KEY)):
        yield D(key=key, range_end=end, prev_kv=True)
        yield D(key=key, range_end=end)
    yield D()
    yield D(**ALL)
    yield R(**ALL)


def puts(rev: Revision) -> Iterator[Any]:
    yield P(key=b"k", value=b"1", prev_kv=True)
    yield P(key=b"k", value=b"2", prev_kv=True)
    yield P(key=b"k", ignore_value=True, prev_kv=True)
    yield P(key=b"k", ignore_lease=True)
    yield P(key=b"k", ignore_lease=True, ignore_value=True, prev_kv=True)
    yield R(key=b"k")
    yield P()
    yield P(value=b"1", lease=77)
    for key in (b"k", b"none"):
        yield P(key=key, lease=77)
        yield P(key=key, lease=-1)
        yield P(key=key, lease=77, ignore_value=True)
        yield P(key=key, lease=77, ignore_lease=True)
        yield P(key=key, value=b"v", ignore_value=True, ignore_lease=True)
    yield P(key=b"none", ignore_value=True)
    yield P(key=b"none", ignore_lease=True, value=b"1")
    yield D(key=b"k", prev_kv=True)
    yield P(key=b"k", ignore_value=True)
    yield P(key=b"k", value=b"anew", prev_kv=True)
    yield R(key=b"k")


def compares(rev: Revision) -> Iterator[Any]:
    yield pb.LeaseGrantRequest(ID=7, TTL=500)
    yield from six_keys()
    yield P(key=b"leased", lease=7)
    yield P(key=b"empty")
    fields = ((C.VERSION, "version", 3), (C.CREATE, "create_revision", rev(4)), (C.MOD, "mod_revision", rev(6)))
    for key, end in ((b"f", b""), (b"none", b""), (b"a", b"g"), (b"n", b"z"), (b"g", b"a"), (b"a", FROM_KEY)):
        for result in range(4):
            for target, field, number in fields:
                for value in (-1, 0, number - 1, number, number + 1):
                    yield txn(compare=[C(key=key, range_end=end, target=target, result=result, **{field: value})])
            for text in (b"", b"5", b"6", b"66"):
                yield txn(compare=[C(key=key, range_end=end, target=C.VALUE, result=result, value=text)])
    for key in (b"leased", b"f", b"none"):
        for lease in (-1, 0, 6, 7, 8):
            for result in range(4):
                yield txn(compare=[C(key=key, target=C.LEASE, result=result, lease=lease)])
    yield txn(compare=[C(key=b"empty", target=C.VALUE)])
    yield txn(compare=[C(key=b"f", target=C.VERSION, mod_revision=3)])
    for target, result in ((9, 0), (9, 1), (9, 2), (9, 3), (9, 9), (-1, 3), (C.VERSION, 9), (C.VALUE, -1)):
        yield txn(compare=[C(key=b"f", target=target, result=result, version=1)])
        yield txn(compare=[C(key=b"none", target=target, result=result, version=1)])
    yield txn(R(key=b"a"), compare=[C(key=b"f", version=3), C(key=b"a", version=9)], failure=[R(key=b"b")])


def duplicates(rev: Revision) -> Iterator[Any]:
    """Which keys one transaction may put and delete."""
    yield P(key=b"a")
    deletes = [(b"b", b""), (b"a", b"c"), (b"a", FROM_KEY), (b"\0", FROM_KEY), (b"b", b"b"), (b"c", b"a")]
    for first in (*(D(key=key, range_end=end) for key, end in deletes), P(key=b"b"), R(key=b"b")):
        for second in (P(key=b"b"), P(key=b"c"), D(key=b"b")):
            yield txn(first, second)
            yield txn(second, first)
            yield txn(txn(first), second)
            yield txn(first, txn(second))
            yield txn(txn(first), txn(second))
            yield txn(txn(first, failure=[second]))
            yield txn(txn(first, failure=[second]), txn(second))
            yield txn(first, failure=[second])
    yield txn(txn(P(key=b"a"), failure=[P(key=b"a")]), txn(P(key=b"b"), failure=[P(key=b"c")]))
    yield R(**ALL)


def operations(rev: Revision) -> Iterator[Any]:
    """How many operations one transaction may have, and which are none."""
    many = [P(key=b"%03d" % number) for number in range(129)]
    yield txn(*many[:128])
    yield txn(*many)
    yield txn(failure=many)
    yield txn(compare=[C(key=b"x")] * 129)
    yield txn(txn(*many[:127]))
    yield txn(txn(*many[:128]))
    yield txn(R(key=b"a"), R(key=b"b"), txn(*many[:125]))
    yield txn(R(key=b"a"), R(key=b"b"), txn(*many[:127]))
    yield T()
    yield T(success=[pb.RequestOp()])
    yield T(failure=[pb.RequestOp()])
    for bad in (R(), P(), D(), P(key=b"k", value=b"v", ignore_value=True), P(key=b"k", lease=1, ignore_lease=True)):
        yield txn(bad)
        yield txn(failure=[bad])
        yield txn(txn(failure=[bad]))
    yield T(compare=[C()])
    yield txn(T(compare=[C()]))
    deep = P(key=b"deep")
    for _ in range(40):
        deep = txn(deep)
    yield deep


def transactions(rev: Revision) -> Iterator[Any]:
    """What operations of one transaction see of each other, and which refusal comes first."""
    yield P(key=b"a", value=b"1")
    yield P(key=b"b", value=b"1")
    yield txn(P(key=b"a", value=b"2", prev_kv=True), R(key=b"a"), D(key=b"b", prev_kv=True), R(**ALL), D(key=b"b"))
    yield txn(R(key=b"a"))
    yield txn(D(key=b"none"), R(key=b"a", revision=rev(1)))
    yield txn(txn(txn(R(key=b"a"))))
    yield txn(
        D(key=b"a", prev_kv=True), txn(txn(R(key=b"a"))), txn(P(key=b"c"), R(**ALL, count_only=True)), R(key=b"c")
    )
    for revision in (-1, 0, rev(1), rev(4), rev(5), rev(6), FAR):
        yield txn(R(**ALL, revision=revision))
        yield txn(P(key=b"q"), R(**ALL, revision=revision))
        yield txn(R(**ALL, revision=revision, count_only=True), P(key=b"r"))
    lost, kept = P(key=b"x", lease=77), P(key=b"none", ignore_value=True)
    yield txn(lost, kept)
    yield txn(kept, lost)
    yield txn(P(key=b"none", ignore_value=True, lease=77))
    yield txn(R(key=b"a", revision=FAR), lost)
    yield txn(lost, R(key=b"a", revision=FAR))
    yield txn(P(key=b"new"), txn(kept))
    yield txn(P(key=b"new"), P(key=b"newer", ignore_lease=True))
    yield txn(D(key=b"a", range_end=b"z"), txn(P(key=b"q0", value=b"1")), compare=[C(key=b"zz", version=0)])
    yield txn(P(key=b"k"), txn(P(key=b"then"), compare=[C(key=b"k", version=0)], failure=[P(key=b"else")]))
    yield R(**ALL)


def compaction(rev: Revision) -> Iterator[Any]:
    yield from six_keys()
    yield D(key=b"c")
    for revision in (-FAR, rev(0), rev(23), FAR):
        yield compact(revision)
    yield compact(rev(5))
    yield compact(rev(5))
    yield compact(rev(4), physical=False)
    for revision in (rev(1), rev(4), rev(5), rev(6)):
        yield R(**ALL, revision=revision)
        yield R(key=b"a", revision=revision, count_only=True)
        yield txn(R(key=b"a", revision=revision))
        yield txn(P(key=b"w"), R(**ALL, revision=revision), failure=[R(**ALL, revision=FAR)])
    yield R(**ALL, revision=-1)
    yield compact(rev(22))
    yield R(**ALL, revision=rev(22))
    yield P(key=b"c", value=b"anew")
    yield R(**ALL)


def leases(rev: Revision) -> Iterator[Any]:
    grant, revoke, told = pb.LeaseGrantRequest, pb.LeaseRevokeRequest, pb.LeaseTimeToLiveRequest
    for lease_id, ttl in (
        (5, 500),
        (5, 500),
        (9, 400),
        (8, MAX_TTL),
        (10, MAX_TTL + 1),
        (5, MAX_TTL + 1),
        (-5, 300),
        (11, FAR),
    ):
        yield grant(ID=lease_id, TTL=ttl)
    yield pb.LeaseLeasesRequest()
    for lease_id in (5, 9, -5, 0, 55):
        yield told(ID=lease_id)
        yield told(ID=lease_id, keys=True)
    yield P(key=b"b", lease=5)
    yield P(key=b"a", lease=5)
    yield P(key=b"moves", lease=5)
    yield P(key=b"moves", lease=9, prev_kv=True)
    yield P(key=b"leaves", lease=5)
    yield P(key=b"leaves")
    yield P(key=b"stays", lease=5)
    yield P(key=b"stays", value=b"1", ignore_lease=True)
    yield P(key=b"gone", lease=5)
    yield D(key=b"gone")
    yield P(key=b"again", lease=-5)
    yield txn(P(key=b"in", lease=5), P(key=b"out", lease=77))
    yield txn(P(key=b"in", lease=5), txn(P(key=b"in it", lease=9)))
    for lease_id in (5, 9, -5):
        yield told(ID=lease_id, keys=True)
    yield R(**ALL)
    yield revoke(ID=5)
    yield revoke(ID=5)
    yield revoke(ID=0)
    yield told(ID=5, keys=True)
    yield R(**ALL)
    yield P(key=b"moves", lease=5)
    yield revoke(ID=-5)
    yield revoke(ID=8)
    yield grant(ID=5, TTL=600)
    yield told(ID=5, keys=True)
    yield pb.LeaseLeasesRequest()
    yield R(**ALL)


DIALOGUES = (ranges, bounds, puts, compares, duplicates, operations, transactions, compaction, leases)
