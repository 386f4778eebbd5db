"""Users, roles and permissions: one body for etcdlite and etcd.

Authentication is a matter of a whole server, so the etcd here is one of its own, wiped after every test. Where etcd
before 3.5 answers otherwise, the test says so and is not run there: etcdlite follows 3.5.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from machinery.rpc import RpcError
from machinery.rpc.grpc_channel import GrpcChannel
from protos.pool import messages
from tests.support.auth import OK, READ, READWRITE, WRITE, AuthClient, auth_etcd, auth_etcdlite, authpb, outcome, wipe
from tests.support.etcd import EtcdProcess, etcd_binary, pb

lockpb = messages("v3lockpb")
KINDS = ("memory", "file", "grpc", "etcd")

DENIED = ("PERMISSION_DENIED", "etcdserver: permission denied")
NO_NAME = ("INVALID_ARGUMENT", "etcdserver: user name is empty")
BAD_TOKEN = ("UNAUTHENTICATED", "etcdserver: invalid auth token")
NO_USER = ("FAILED_PRECONDITION", "etcdserver: user name not found")
NO_ROLE = ("FAILED_PRECONDITION", "etcdserver: role name not found")
BAD_MANAGEMENT = ("INVALID_ARGUMENT", "etcdserver: invalid auth management")
AUTH_FAILED = ("INVALID_ARGUMENT", "etcdserver: authentication failed, invalid user ID or password")


@pytest.fixture(scope="module")
def own_etcd() -> Iterator[EtcdProcess]:
    if etcd_binary() is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    with auth_etcd() as process:
        yield process


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AuthClient]:
    if request.param != "etcd":
        async with auth_etcdlite(request.param, tmp_path) as client:
            yield client
        return
    process: EtcdProcess = request.getfixturevalue("own_etcd")
    channel = GrpcChannel(process.address)
    client = AuthClient(channel)
    try:
        yield client
    finally:
        await wipe(client)
        await channel.close()


@pytest.fixture
async def at_least_35(store: AuthClient) -> None:
    if (await store.maintenance.Status(pb.StatusRequest())).version.startswith("3.4."):
        pytest.skip("etcd 3.4 answers otherwise")


etcd35 = pytest.mark.usefixtures("at_least_35")


# ---- on and off ---------------------------------------------------------------------------------------------------


async def test_enabling_needs_a_root_with_its_role(store: AuthClient) -> None:
    async def enable() -> tuple[str, str]:
        return await outcome(store.auth.AuthEnable(pb.AuthEnableRequest()))

    assert await enable() == ("FAILED_PRECONDITION", "etcdserver: root user does not exist")
    await store.add_user("root", "root-secret")
    assert await enable() == ("FAILED_PRECONDITION", "etcdserver: root user does not have root role")
    await store.auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user="root", role="root"))
    assert await enable() == OK
    assert await enable() == NO_NAME
    root = await store.login("root", "root-secret")
    assert await outcome(root.auth.AuthEnable(pb.AuthEnableRequest())) == OK


@etcd35
async def test_nobody_is_refused_while_enabled_and_not_after(store: AuthClient) -> None:
    await store.put(b"k", b"1")
    root = await store.enable()
    assert await outcome(store.get(b"k")) == NO_NAME
    assert await outcome(store.put(b"k")) == NO_NAME
    assert (await root.get(b"k")).kvs[0].value == b"1"
    assert await outcome(store.auth.AuthDisable(pb.AuthDisableRequest())) == NO_NAME
    await root.auth.AuthDisable(pb.AuthDisableRequest())
    assert (await store.get(b"k")).kvs[0].value == b"1"
    assert await outcome(root.put(b"k")) == OK, "tokens are not looked at"
    refused = await outcome(store.login("root", "root-secret"))
    assert refused == ("FAILED_PRECONDITION", "etcdserver: authentication is not enabled")
    assert await outcome(store.auth.AuthDisable(pb.AuthDisableRequest())) == OK, "again"


@etcd35
async def test_every_change_counts_the_auth_revision_up(store: AuthClient) -> None:
    async def revision(client: AuthClient) -> int:
        return int((await client.auth.AuthStatus(pb.AuthStatusRequest())).authRevision)

    base = await revision(store)
    await store.add_role("r")
    await store.grant("r", READ, b"k")
    await store.grant("r", READ, b"k")
    await store.add_user("u", "p", "r")
    assert await revision(store) == base + 5
    await store.auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user="u", role="r"))
    assert await revision(store) == base + 5, "it had it"
    await store.auth.UserChangePassword(pb.AuthUserChangePasswordRequest(name="u", password="q"))
    await store.auth.RoleRevokePermission(pb.AuthRoleRevokePermissionRequest(role="r", key=b"k"))
    await store.auth.RoleDelete(pb.AuthRoleDeleteRequest(role="r"))
    await store.auth.UserDelete(pb.AuthUserDeleteRequest(name="u"))
    assert await revision(store) == base + 9
    root = await store.enable()
    status = await root.auth.AuthStatus(pb.AuthStatusRequest())
    assert (status.enabled, status.authRevision) == (True, base + 11), "enabling is not counted"
    await root.auth.AuthDisable(pb.AuthDisableRequest())
    assert await revision(store) == base + 12


# ---- users and roles ----------------------------------------------------------------------------------------------


async def test_users(store: AuthClient) -> None:
    auth = store.auth
    assert await outcome(store.add_user("", "p")) == NO_NAME
    await store.add_user("zoe", "p")
    await store.add_user("Amy", "p")
    exists = ("FAILED_PRECONDITION", "etcdserver: user name already exists")
    assert await outcome(store.add_user("zoe", "other")) == exists
    assert list((await auth.UserList(pb.AuthUserListRequest())).users) == ["Amy", "zoe"]
    assert await outcome(auth.UserGet(pb.AuthUserGetRequest(name="bob"))) == NO_USER
    assert await outcome(auth.UserDelete(pb.AuthUserDeleteRequest(name="bob"))) == NO_USER
    change = pb.AuthUserChangePasswordRequest(name="bob", password="p")
    assert await outcome(auth.UserChangePassword(change)) == NO_USER
    assert await outcome(auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user="bob", role="r"))) == NO_USER
    assert await outcome(auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user="zoe", role="r"))) == NO_ROLE
    for role in ("r", "b"):
        await store.add_role(role)
        await auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user="zoe", role=role))
    await auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user="zoe", role="root"))
    roles = (await auth.UserGet(pb.AuthUserGetRequest(name="zoe"))).roles
    assert list(roles) == ["b", "r", "root"], "root needs not exist"
    assert await outcome(auth.UserRevokeRole(pb.AuthUserRevokeRoleRequest(name="bob", role="r"))) == NO_USER
    await auth.UserRevokeRole(pb.AuthUserRevokeRoleRequest(name="zoe", role="r"))
    again = await outcome(auth.UserRevokeRole(pb.AuthUserRevokeRoleRequest(name="zoe", role="r")))
    assert again == ("FAILED_PRECONDITION", "etcdserver: role is not granted to the user")
    header = (await auth.UserDelete(pb.AuthUserDeleteRequest(name="zoe"))).header
    assert header.revision == await store.revision() and header.cluster_id and header.member_id
    assert list((await auth.UserList(pb.AuthUserListRequest())).users) == ["Amy"]


async def test_roles(store: AuthClient) -> None:
    auth = store.auth

    async def permissions(role: str) -> list[tuple[int, bytes, bytes]]:
        reply = await auth.RoleGet(pb.AuthRoleGetRequest(role=role))
        return [(perm.permType, perm.key, perm.range_end) for perm in reply.perm]

    empty = await outcome(store.add_role(""))
    assert empty[0] == "INVALID_ARGUMENT" or empty == OK  # 3.4 takes it
    await store.add_role("r")
    exists = ("FAILED_PRECONDITION", "etcdserver: role name already exists")
    assert await outcome(store.add_role("r")) == exists
    assert await outcome(auth.RoleGet(pb.AuthRoleGetRequest(role="x"))) == NO_ROLE
    assert await outcome(auth.RoleDelete(pb.AuthRoleDeleteRequest(role="x"))) == NO_ROLE
    assert await outcome(store.grant("x", READ, b"k")) == NO_ROLE
    for permission in ((READ, b"m", b"n"), (WRITE, b"a", b""), (READWRITE, b"x", b"\0")):
        await store.grant("r", *permission)
    expected = [(WRITE, b"a", b""), (READ, b"m", b"n"), (READWRITE, b"x", b"\0")]
    assert await permissions("r") == expected
    await store.grant("r", WRITE, b"m", b"n")
    assert (await permissions("r"))[1] == (WRITE, b"m", b"n"), "replaced"
    revoke = pb.AuthRoleRevokePermissionRequest
    assert await outcome(auth.RoleRevokePermission(revoke(role="x", key=b"m"))) == NO_ROLE
    missing = await outcome(auth.RoleRevokePermission(revoke(role="r", key=b"m")))
    assert missing == ("FAILED_PRECONDITION", "etcdserver: permission is not granted to the role")
    await auth.RoleRevokePermission(revoke(role="r", key=b"m", range_end=b"n"))
    assert await permissions("r") == [expected[0], expected[2]]
    await store.add_user("u", "p", "r")
    await auth.RoleDelete(pb.AuthRoleDeleteRequest(role="r"))
    assert list((await auth.UserGet(pb.AuthUserGetRequest(name="u"))).roles) == [], "who had it has it no more"
    assert "r" not in (await auth.RoleList(pb.AuthRoleListRequest())).roles


@etcd35
async def test_permissions_that_cannot_be(store: AuthClient) -> None:
    assert await outcome(store.add_role("")) == ("INVALID_ARGUMENT", "etcdserver: role name is empty")
    await store.add_role("r")
    for key, range_end in ((b"", b""), (b"", b"a"), (b"b", b"a"), (b"b", b"b")):
        assert await outcome(store.grant("r", READ, key, range_end)) == BAD_MANAGEMENT
    nothing = pb.AuthRoleGrantPermissionRequest(name="r")
    given = await outcome(store.auth.RoleGrantPermission(nothing))
    assert given == ("INVALID_ARGUMENT", "etcdserver: permission not given")


async def test_too_much_at_once(store: AuthClient) -> None:
    large = "r" * (3 << 19)
    refused = ("INVALID_ARGUMENT", "etcdserver: request is too large")
    assert await outcome(store.add_role(large)) == refused
    await store.add_role("r")
    assert await outcome(store.grant("r", READ, large.encode())) == refused
    assert await outcome(store.add_user(large, no_password=True)) == refused


async def test_root_cannot_be_taken_away_while_enabled(store: AuthClient) -> None:
    await store.add_role("root")
    root = await store.enable()
    auth = root.auth
    assert await outcome(auth.UserDelete(pb.AuthUserDeleteRequest(name="root"))) == BAD_MANAGEMENT
    assert await outcome(auth.RoleDelete(pb.AuthRoleDeleteRequest(role="root"))) == BAD_MANAGEMENT
    revoke = pb.AuthUserRevokeRoleRequest(name="root", role="root")
    assert await outcome(auth.UserRevokeRole(revoke)) == BAD_MANAGEMENT


# ---- passwords and tokens -----------------------------------------------------------------------------------------


async def test_passwords(store: AuthClient) -> None:
    root = await store.enable()
    await root.add_role("r", (READ, b"k", b""))
    await root.add_user("u", "right", "r")
    assert await outcome(store.login("u", "wrong")) == AUTH_FAILED
    assert await outcome(store.login("u", "")) == AUTH_FAILED
    assert await outcome(store.login("nobody", "right")) == AUTH_FAILED
    user = await store.login("u", "right")
    assert await outcome(user.get(b"k")) == OK
    await root.auth.UserChangePassword(pb.AuthUserChangePasswordRequest(name="u", password="new"))
    assert await outcome(user.get(b"k")) == BAD_TOKEN, "tokens end with the password they were for"
    assert await outcome(store.login("u", "right")) == AUTH_FAILED
    user = await store.login("u", "new")
    assert await outcome(user.get(b"k")) == OK
    await root.auth.UserDelete(pb.AuthUserDeleteRequest(name="u"))
    assert await outcome(user.get(b"k")) == BAD_TOKEN
    assert await outcome(store.login("u", "new")) == AUTH_FAILED


async def test_users_without_password(store: AuthClient) -> None:
    root = await store.enable()
    await root.add_user("cert", no_password=True)
    refused = ("UNKNOWN", "auth: authentication failed, password was given for no password user")
    assert await outcome(store.login("cert", "")) == refused
    await root.auth.UserChangePassword(pb.AuthUserChangePasswordRequest(name="cert", password="p"))
    assert await outcome(store.login("cert", "p")) == refused


@etcd35
async def test_passwords_left_out(store: AuthClient) -> None:
    root = await store.enable()
    await root.add_user("empty", "")
    assert await outcome(store.login("empty", "")) == OK, "the empty password"
    await root.auth.UserChangePassword(pb.AuthUserChangePasswordRequest(name="empty"))
    assert await outcome(store.login("empty", "")) == AUTH_FAILED, "no hash matches nothing"
    bad = pb.AuthUserChangePasswordRequest(name="empty", hashedPassword="not base64!")
    refused = ("UNKNOWN", "auth: authentication failed, password was given for no password user")
    assert await outcome(root.auth.UserChangePassword(bad)) == refused
    ignored = pb.AuthUserAddRequest(name="hashed", password="real", hashedPassword="aGFzaA==")
    await root.auth.UserAdd(ignored)
    assert await outcome(store.login("hashed", "real")) == OK


async def test_tokens(store: AuthClient) -> None:
    root = await store.enable()
    token = str(root.metadata["token"])
    assert await outcome(store.showing("nonsense").get(b"k")) == BAD_TOKEN
    assert await outcome(store.showing("nonsense.1").get(b"k")) == BAD_TOKEN
    assert await outcome(store.showing("").get(b"k")) == BAD_TOKEN
    assert await outcome(AuthClient(store.plain, {"authorization": token}).get(b"k")) == OK
    assert (await store.login("root", "root-secret")).metadata["token"] != token, "each has its own"
    assert await outcome(root.get(b"k")) == OK
    await root.auth.AuthDisable(pb.AuthDisableRequest())
    await store.auth.AuthEnable(pb.AuthEnableRequest())
    assert await outcome(root.get(b"k")) == BAD_TOKEN, "none survives the disabling"


# ---- keys ---------------------------------------------------------------------------------------------------------

ALL = b"\0"


@pytest.mark.parametrize(
    ("granted", "asked", "allowed"),
    [
        pytest.param([(b"k", b"")], (b"k", b""), True, id="the key"),
        pytest.param([(b"k", b"")], (b"k\0", b""), False, id="the key after it"),
        pytest.param([(b"k", b"")], (b"k", b"k\0"), True, id="the key as a range"),
        pytest.param([(b"k", b"")], (b"k", b"l"), False, id="more than the key"),
        pytest.param([(b"a", b"c")], (b"b", b""), True, id="a key inside"),
        pytest.param([(b"a", b"c")], (b"c", b""), False, id="the end is outside"),
        pytest.param([(b"a", b"c")], (b"a", b"c"), True, id="the range"),
        pytest.param([(b"a", b"c")], (b"aa", b"b"), True, id="a range inside"),
        pytest.param([(b"a", b"c")], (b"a", b"c\0"), False, id="one key too many"),
        pytest.param([(b"a", b"c")], (b"Z", b"b"), False, id="begins before"),
        pytest.param([(b"a", b"c"), (b"c", b"e")], (b"b", b"d"), True, id="two that touch"),
        pytest.param([(b"a", b"c"), (b"b", b"e")], (b"a", b"e"), True, id="two that overlap"),
        pytest.param([(b"a", b"z"), (b"b", b"c")], (b"b", b"y"), True, id="one inside the other"),
        pytest.param([(b"a", b"c"), (b"d", b"e")], (b"b", b"e"), False, id="a gap"),
        pytest.param([(b"a", b"b"), (b"b", b"")], (b"a", b"b\0"), True, id="a range and a key"),
        pytest.param([(b"m", ALL)], (b"z", ALL), True, id="from a key on"),
        pytest.param([(b"m", ALL)], (b"n", b""), True, id="a key from a key on"),
        pytest.param([(b"m", ALL)], (b"a", ALL), False, id="from an earlier key on"),
        pytest.param([(b"m", b"\xff")], (b"n", ALL), False, id="to the end"),
        pytest.param([(ALL, ALL)], (ALL, ALL), True, id="everything"),
        pytest.param([(ALL, ALL)], (b"a", b"b"), True, id="a range of everything"),
        pytest.param([(b"a", b"m"), (b"m", ALL)], (b"b", ALL), True, id="joined to the end"),
        pytest.param([], (b"k", b""), False, id="nothing granted"),
    ],
)
async def test_ranges(
    store: AuthClient, granted: list[tuple[bytes, bytes]], asked: tuple[bytes, bytes], allowed: bool
) -> None:
    root = await store.enable()
    await root.add_role("reads", *((READ, *keys) for keys in granted[::2]))
    await root.add_role("also", *((READ, *keys) for keys in granted[1::2]))
    await root.add_role("writes", *((WRITE, *keys) for keys in granted))
    await root.add_user("reader", "p", "reads", "also")
    await root.add_user("writer", "p", "writes")
    reader, writer = await store.login("reader", "p"), await store.login("writer", "p")
    expected = OK if allowed else DENIED
    assert await outcome(reader.get(*asked)) == expected
    assert await outcome(writer.delete(*asked)) == expected
    assert await outcome(reader.delete(*asked)) == DENIED
    assert await outcome(writer.get(*asked)) == DENIED
    if asked[1] != ALL or allowed:  # an etcd before 3.5.31 looks at the first key alone when a watch has no end
        async with reader.watching() as session:
            created = await session.create(*asked)
            assert created.canceled is not allowed


async def limited(store: AuthClient) -> tuple[AuthClient, AuthClient]:
    """(root, a user): they may read r/*, write w/*, and both with b/*."""
    root = await store.enable()
    await root.add_role("limited", (READ, b"r/", b"r0"), (WRITE, b"w/", b"w0"), (READWRITE, b"b/", b"b0"))
    await root.add_user("user", "p", "limited")
    return root, await store.login("user", "p")


def branches(*requests: Any) -> dict[str, Any]:
    return {"success": requests}


_put, _get, _delete = pb.PutRequest, pb.RangeRequest, pb.DeleteRangeRequest


def nested(request: Any) -> Any:
    operation = {"PutRequest": "request_put", "RangeRequest": "request_range"}[request.DESCRIPTOR.name]
    return pb.TxnRequest(failure=[pb.RequestOp(**{operation: request})])


REQUESTS: dict[str, tuple[Callable[[AuthClient], Awaitable[Any]], bool]] = {
    "put": (lambda user: user.put(b"w/k"), True),
    "put of what may be read": (lambda user: user.put(b"r/k"), False),
    "put that shows what was": (lambda user: user.put(b"w/k", prev_kv=True), False),
    "put that may show what was": (lambda user: user.put(b"b/k", prev_kv=True), True),
    "put that keeps the value": (lambda user: user.put(b"w/k", ignore_value=True), True),
    "delete": (lambda user: user.delete(b"w/", b"w0"), True),
    "delete that shows what was": (lambda user: user.delete(b"w/", b"w0", prev_kv=True), False),
    "delete that may show what was": (lambda user: user.delete(b"b/", b"b0", prev_kv=True), True),
    "read": (lambda user: user.get(b"r/", b"r0"), True),
    "count": (lambda user: user.get(b"w/", b"w0", count_only=True), False),
    "serializable read": (lambda user: user.get(b"w/k", serializable=True), False),
    "compare": (lambda user: user.txn(compare=[pb.Compare(key=b"r/k")]), True),
    "compare of what may be written": (lambda user: user.txn(compare=[pb.Compare(key=b"w/k")]), False),
    "compare of a range": (lambda user: user.txn(compare=[pb.Compare(key=b"r/", range_end=b"r0")]), True),
    "compare of too much": (lambda user: user.txn(compare=[pb.Compare(key=b"r/", range_end=b"s")]), False),
    "transaction": (lambda user: user.txn(success=[_put(key=b"w/k"), _get(key=b"r/k")]), True),
    "transaction with one read too many": (lambda user: user.txn(success=[_put(key=b"w/k"), _get(key=b"w/k")]), False),
    "branch that is not taken": (lambda user: user.txn(failure=[_put(key=b"r/k")]), False),
    "nested": (lambda user: user.txn(success=[nested(_put(key=b"w/k"))]), True),
    "nested branch that is not taken": (lambda user: user.txn(success=[nested(_put(key=b"r/k"))]), False),
    "nested read": (lambda user: user.txn(failure=[nested(_get(key=b"w/k"))]), False),
    "delete in a transaction": (lambda user: user.txn(success=[_delete(key=b"w/k")]), True),
    "deletion shown in a transaction": (lambda user: user.txn(success=[_delete(key=b"w/k", prev_kv=True)]), False),
    "put shown in a transaction": (lambda user: user.txn(success=[_put(key=b"w/k", prev_kv=True)]), False),
}


@etcd35
async def test_requests(store: AuthClient) -> None:
    root, user = await limited(store)
    for key in (b"r/k", b"w/k", b"b/k"):
        await root.put(key, b"1")
    for name, (request, allowed) in REQUESTS.items():
        await root.put(b"w/k", b"1")
        assert await outcome(request(user)) == (OK if allowed else DENIED), name
        assert await outcome(request(root)) == OK, name
        assert await outcome(request(store)) == NO_NAME, name


async def test_a_malformed_request_is_refused_for_that_first(store: AuthClient) -> None:
    _, user = await limited(store)
    for request in (user.put(b""), user.get(b""), user.delete(b""), user.txn(success=[_put()])):
        assert await outcome(request) == ("INVALID_ARGUMENT", "etcdserver: key is not provided")


async def test_permissions_follow_what_is_granted(store: AuthClient) -> None:
    root, user = await limited(store)
    assert await outcome(user.put(b"x")) == DENIED
    await root.grant("limited", WRITE, b"x")
    assert await outcome(user.put(b"x")) == OK
    await root.auth.RoleRevokePermission(pb.AuthRoleRevokePermissionRequest(role="limited", key=b"x"))
    assert await outcome(user.put(b"x")) == DENIED
    await root.auth.UserRevokeRole(pb.AuthUserRevokeRoleRequest(name="user", role="limited"))
    assert await outcome(user.get(b"r/k")) == DENIED
    await root.auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user="user", role="root"))
    assert await outcome(user.get(b"\0", b"\0")) == OK
    assert await outcome(user.auth.UserList(pb.AuthUserListRequest())) == OK


async def test_watches(store: AuthClient) -> None:
    root, user = await limited(store)
    async with user.watching() as session:
        refused = await session.create(b"w/", b"w0", watch_id=7)
        assert (refused.created, refused.canceled, refused.watch_id) == (True, True, -1)
        assert refused.cancel_reason == "rpc error: code = PermissionDenied desc = etcdserver: permission denied"
        allowed = await session.create(b"r/", b"r0")
        assert allowed.created and not allowed.canceled
        await root.put(b"r/k", b"1")
        (event,) = await session.events(1)
        assert event.kv.key == b"r/k"
        await root.auth.UserRevokeRole(pb.AuthUserRevokeRoleRequest(name="user", role="limited"))
        await root.put(b"r/k", b"2")
        (event,) = await session.events(1)
        assert event.kv.value == b"2", "what was allowed goes on"
        assert (await session.create(b"r/", b"r0")).canceled
    async with store.watching() as session:
        reason = (await session.create(b"r/k")).cancel_reason
        assert reason in ("rpc error: code = InvalidArgument desc = etcdserver: user name is empty",) or (
            reason == "rpc error: code = PermissionDenied desc = etcdserver: permission denied"  # 3.4
        )
    async with store.showing("nonsense").watching() as session:
        reason = (await session.create(b"r/k")).cancel_reason
        assert reason in ("rpc error: code = Unauthenticated desc = etcdserver: invalid auth token",) or (
            reason == "rpc error: code = PermissionDenied desc = etcdserver: permission denied"  # 3.4
        )


# ---- leases -------------------------------------------------------------------------------------------------------


async def test_a_lease_is_its_keys(store: AuthClient) -> None:
    root, user = await limited(store)
    own = (await user.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=60))).ID
    foreign = (await root.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=60))).ID
    assert await outcome(user.put(b"w/k", lease=own)) == OK
    assert (await user.keep_alive(own)).TTL == 60
    await root.put(b"secret", lease=foreign)
    assert await outcome(user.put(b"w/k", lease=foreign)) == DENIED, "it could be revoked then"
    revoke = pb.LeaseRevokeRequest
    assert await outcome(user.leases.LeaseRevoke(revoke(ID=foreign))) == DENIED
    show = pb.LeaseTimeToLiveRequest
    assert await outcome(user.leases.LeaseTimeToLive(show(ID=foreign))) == OK
    assert await outcome(root.leases.LeaseTimeToLive(show(ID=foreign, keys=True))) == OK
    assert await outcome(user.leases.LeaseRevoke(revoke(ID=own))) == OK
    assert await outcome(root.leases.LeaseRevoke(revoke(ID=foreign))) == OK
    gone = ("NOT_FOUND", "etcdserver: requested lease not found")
    assert await outcome(user.leases.LeaseRevoke(revoke(ID=foreign))) == gone
    assert await outcome(user.put(b"w/k", lease=foreign)) == gone


@etcd35
async def test_leases_of_others(store: AuthClient) -> None:
    root, user = await limited(store)
    lease = (await root.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=60))).ID
    show = pb.LeaseTimeToLiveRequest
    assert await outcome(user.leases.LeaseLeases(pb.LeaseLeasesRequest())) == OK
    await root.put(b"secret", lease=lease)
    assert await outcome(user.txn(success=[_put(key=b"w/k", lease=lease)])) == DENIED
    assert await outcome(user.leases.LeaseTimeToLive(show(ID=lease, keys=True))) == DENIED
    assert await outcome(user.leases.LeaseLeases(pb.LeaseLeasesRequest())) == DENIED
    assert await outcome(user.keep_alive(lease)) == DENIED
    nobody = store.leases
    assert await outcome(nobody.LeaseGrant(pb.LeaseGrantRequest(TTL=60))) == NO_NAME
    assert await outcome(nobody.LeaseRevoke(pb.LeaseRevokeRequest(ID=lease))) == NO_NAME
    assert await outcome(nobody.LeaseTimeToLive(show(ID=lease))) == NO_NAME
    assert await outcome(nobody.LeaseLeases(pb.LeaseLeasesRequest())) == NO_NAME
    assert await outcome(store.keep_alive(lease)) == NO_NAME


# ---- the server ---------------------------------------------------------------------------------------------------

ADMINISTRATION: dict[str, Callable[[AuthClient], Awaitable[Any]]] = {
    "UserAdd": lambda client: client.auth.UserAdd(pb.AuthUserAddRequest(name="n", password="p")),
    "UserGrantRole": lambda client: client.auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user="n", role="root")),
    "UserChangePassword": lambda client: client.auth.UserChangePassword(
        pb.AuthUserChangePasswordRequest(name="n", password="p")
    ),
    "UserRevokeRole": lambda client: client.auth.UserRevokeRole(pb.AuthUserRevokeRoleRequest(name="n", role="root")),
    "UserList": lambda client: client.auth.UserList(pb.AuthUserListRequest()),
    "UserGet": lambda client: client.auth.UserGet(pb.AuthUserGetRequest(name="n")),
    "UserDelete": lambda client: client.auth.UserDelete(pb.AuthUserDeleteRequest(name="n")),
    "RoleAdd": lambda client: client.auth.RoleAdd(pb.AuthRoleAddRequest(name="n")),
    "RoleGrantPermission": lambda client: client.auth.RoleGrantPermission(
        pb.AuthRoleGrantPermissionRequest(name="n", perm=authpb.Permission(key=b"k"))
    ),
    "RoleGet": lambda client: client.auth.RoleGet(pb.AuthRoleGetRequest(role="n")),
    "RoleList": lambda client: client.auth.RoleList(pb.AuthRoleListRequest()),
    "RoleRevokePermission": lambda client: client.auth.RoleRevokePermission(
        pb.AuthRoleRevokePermissionRequest(role="n", key=b"k")
    ),
    "RoleDelete": lambda client: client.auth.RoleDelete(pb.AuthRoleDeleteRequest(role="n")),
}


async def test_users_and_roles_are_for_administrators(store: AuthClient) -> None:
    root, user = await limited(store)
    for name, request in ADMINISTRATION.items():
        assert await outcome(request(user)) == DENIED, name
        assert await outcome(request(store)) == NO_NAME, name
        assert await outcome(request(root)) == OK, name
    assert await outcome(user.auth.UserGet(pb.AuthUserGetRequest(name="user"))) == OK, "oneself"
    assert await outcome(user.auth.RoleGet(pb.AuthRoleGetRequest(role="limited"))) == OK, "one's own"
    assert await outcome(user.auth.AuthEnable(pb.AuthEnableRequest())) == DENIED
    assert await outcome(user.auth.AuthDisable(pb.AuthDisableRequest())) == DENIED


MAINTENANCE: dict[str, Callable[[AuthClient], Awaitable[Any]]] = {
    "Snapshot": lambda client: client.snapshot(),
    "Hash": lambda client: client.maintenance.Hash(pb.HashRequest()),
    "HashKV": lambda client: client.maintenance.HashKV(pb.HashKVRequest()),
    "Defragment": lambda client: client.maintenance.Defragment(pb.DefragmentRequest()),
}


async def test_maintenance_is_for_administrators(store: AuthClient) -> None:
    """etcd 3.5 answers the same without its code; 3.6 gives the one of every other refusal."""
    root, user = await limited(store)
    for name, request in MAINTENANCE.items():
        assert await outcome(request(user)) in (DENIED, ("UNKNOWN", "auth: permission denied")), name
        assert await outcome(request(store)) in (NO_NAME, ("UNKNOWN", "auth: user name is empty")), name
        assert await outcome(request(root)) == OK, name
    status = await outcome(user.maintenance.Status(pb.StatusRequest()))
    assert status in (OK, DENIED), "for everybody known; etcd before 3.5.31 refused it"


@etcd35
async def test_what_else_is_for_administrators_or_for_users(store: AuthClient) -> None:
    root, user = await limited(store)
    base = await root.revision()
    requests: dict[str, Callable[[AuthClient], Awaitable[Any]]] = {
        "Compact": lambda client: client.compact(base),
        "Alarm": lambda client: client.maintenance.Alarm(pb.AlarmRequest(action=pb.AlarmRequest.DEACTIVATE, alarm=1)),
        "AuthStatus": lambda client: client.auth.AuthStatus(pb.AuthStatusRequest()),
    }
    for name, request in requests.items():
        assert await outcome(request(user)) == DENIED, name
        assert await outcome(request(store)) == NO_NAME, name
        assert await outcome(request(root)) == OK, name
    assert await outcome(user.maintenance.MoveLeader(pb.MoveLeaderRequest(targetID=1))) == DENIED
    requests = {
        "Alarm": lambda client: client.maintenance.Alarm(pb.AlarmRequest()),
        "MemberList": lambda client: client.cluster.MemberList(pb.MemberListRequest()),
    }
    for name, request in requests.items():
        assert await outcome(request(user)) == OK, name
        assert await outcome(request(store)) == NO_NAME, name
    assert await outcome(store.maintenance.Status(pb.StatusRequest())) == NO_NAME


async def test_the_members_are_for_administrators(store: AuthClient) -> None:
    _, user = await limited(store)
    add = pb.MemberAddRequest(peerURLs=["http://127.0.0.1:1"])
    assert await outcome(user.cluster.MemberAdd(add)) == DENIED
    assert await outcome(user.cluster.MemberRemove(pb.MemberRemoveRequest(ID=1))) == DENIED
    with pytest.raises(RpcError):
        await store.cluster.MemberRemove(pb.MemberRemoveRequest(ID=1))


async def test_locks_are_asked_for_as_their_caller(store: AuthClient) -> None:
    """The lock service works on keys on behalf of who calls."""
    _, user = await limited(store)
    lease = (await user.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=60))).ID
    locked = await user.locks.Lock(lockpb.LockRequest(name=b"b/lock", lease=lease))
    assert locked.key.startswith(b"b/lock/")
    assert await outcome(store.locks.Unlock(lockpb.UnlockRequest(key=locked.key))) != OK
    assert await outcome(user.locks.Unlock(lockpb.UnlockRequest(key=locked.key))) == OK
    refused = await outcome(user.locks.Lock(lockpb.LockRequest(name=b"r/lock", lease=lease)))
    assert refused[1] == DENIED[1]
