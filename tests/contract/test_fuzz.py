"""Random, mutated and broken requests to every RPC of the store, with a real etcd beside it.

Whatever comes, the server answers, goes on, and never says that it was surprised. Where etcd's answer is defined, the
code is etcd's, and its text too. `FUZZ=500` sends that many rounds, each of some two hundred requests; a round is made
from its number alone.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etcdlite.model import varint
from machinery.rpc import Code, RpcError
from protos.pool import Method, service
from tests.support.answers import comparable
from tests.support.etcd import EtcdClient, EtcdliteProcess, EtcdProcess, StoreProcess, etcd_binary, etcd_version, pb

ROUNDS = int(os.environ.get("FUZZ", "2"))
FIRST = int(os.environ.get("FUZZ_FIRST", "1"))
REQUESTS = 60
"""Of each kind, in one round."""
COMPARED = ("KV.Range", "KV.Put", "KV.DeleteRange", "KV.Txn", "KV.Compact", "Lease.LeaseGrant", "Lease.LeaseRevoke",
            "Lease.LeaseTimeToLive", "Lease.LeaseLeases")  # fmt: skip
ADMINISTRATION = (
    "Maintenance.Alarm", "Maintenance.MoveLeader", "Cluster.MemberRemove", "Cluster.MemberUpdate",
    "Cluster.MemberPromote", "Auth.AuthDisable", "Auth.AuthStatus", "Auth.Authenticate", "Auth.UserAdd", "Auth.UserGet",
    "Auth.UserList", "Auth.UserDelete", "Auth.UserChangePassword", "Auth.UserGrantRole", "Auth.UserRevokeRole",
    "Auth.RoleAdd", "Auth.RoleGet", "Auth.RoleList", "Auth.RoleDelete", "Auth.RoleGrantPermission",
    "Auth.RoleRevokePermission",
)  # fmt: skip
"""Compared with etcd from 3.5 on."""
FATAL = ("sort_order", "sort_target", "action", "alarm")
"""Enumerations of which an unknown value ends etcd."""
SERVICES = ("KV", "Watch", "Lease", "Cluster", "Maintenance", "Auth")
STREAMS = ("Watch.Watch", "Lease.LeaseKeepAlive")
SKIPPED = ("Maintenance.Snapshot", "Auth.AuthEnable")
"""What ends the conversation, or is a flood."""


class Fuzzer:
    """Makes requests from one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def integer(self) -> int:
        return self.chance.choice((0, 1, 2, 3, 5, 10, 100, -1, -2, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**62))

    def data(self) -> bytes:
        kind = self.chance.randrange(8)
        if kind == 0:
            return self.chance.randbytes(self.chance.choice((1, 2, 30, 3000)))
        if kind == 1:
            return self.chance.choice((b"\0", b"\0\0", b"\xff", b"\xff\xff"))
        return self.chance.choice((b"", b"a", b"b", b"c", b"ab"))

    def message(self, kind: Any, depth: int = 0) -> Any:
        """A message of a class with some of its fields set."""
        made = kind()
        for field in kind.DESCRIPTOR.fields:
            if self.chance.random() < 0.5:
                continue
            if field.containing_oneof is not None and made.WhichOneof(field.containing_oneof.name):
                continue
            if field.type == field.TYPE_MESSAGE:
                if depth < 4:
                    self._nest(made, field, depth)
            elif field.is_repeated:
                getattr(made, field.name).extend(self.scalar(field) for _ in range(self.chance.randrange(4)))
            else:
                setattr(made, field.name, self.scalar(field))
        return made

    def _nest(self, made: Any, field: Any, depth: int) -> None:
        from google.protobuf.message_factory import GetMessageClass

        kind = GetMessageClass(field.message_type)
        if field.is_repeated:
            getattr(made, field.name).extend(self.message(kind, depth + 1) for _ in range(self.chance.randrange(4)))
        else:
            getattr(made, field.name).CopyFrom(self.message(kind, depth + 1))

    def scalar(self, field: Any) -> Any:
        if field.type == field.TYPE_BYTES:
            return self.data()
        if field.type == field.TYPE_STRING:
            if field.name == "hashedPassword":
                return ""  # of another kind of hash in each
            return self.chance.choice(("", "root", "a", "ä\0", "x" * 70))  # no longer than a password may be in etcd
        if field.type == field.TYPE_BOOL:
            return self.chance.random() < 0.5
        if field.type == field.TYPE_ENUM:
            known = [value.number for value in field.enum_type.values]
            if field.name in FATAL:
                return self.chance.choice(known)
            return self.chance.choice((*known, *known, 9, -1))
        if field.type in (field.TYPE_UINT64, field.TYPE_UINT32):
            return abs(self.integer()) % 2**32
        return self.integer()

    def broken(self, kind: Any) -> bytes:
        """Bytes that are nearly a message, or not at all one."""
        data = bytearray(self.message(kind).SerializeToString() or b"\x0a\x01a")
        turn = self.chance.randrange(5)
        if turn == 0:
            return bytes(data[: self.chance.randrange(len(data))])
        if turn == 1:
            for _ in range(self.chance.randint(1, 4)):
                data[self.chance.randrange(len(data))] = self.chance.randrange(256)
            return bytes(data)
        if turn == 2:
            return self.chance.randbytes(self.chance.choice((1, 5, 50)))
        if turn == 3:  # fields that nobody knows
            return bytes(data) + b"\xfa\xff\x03" + bytes((3,)) + b"abc"
        return bytes(data) + b"\x0a" * self.chance.randint(1, 200)  # a key that is itself cut short


def methods() -> Iterator[tuple[str, Method]]:
    for name in SERVICES:
        for method in service(f"etcdserverpb.{name}").values():
            full = f"{name}.{method.name}"
            if full not in SKIPPED and full not in STREAMS:
                yield full, method


class Raw:
    """Calls with bytes that need be no messages."""

    def __init__(self, process: StoreProcess) -> None:
        import grpc.aio

        self.process = process
        self.client: EtcdClient = process.client()
        self._channel = grpc.aio.insecure_channel(process.address, options=[("grpc.max_send_message_length", -1)])

    async def unary(self, path: str, data: bytes) -> bytes:
        import grpc.aio

        try:
            return bytes(await self._channel.unary_unary(path)(data, timeout=20))
        except grpc.aio.AioRpcError as error:
            raise RpcError(Code(error.code().value[0]), error.details() or "") from None

    async def stream(self, path: str, messages: list[bytes]) -> Code:
        """Send it all, take what comes until the stream ends or is quiet; how it ended, OK when it did not."""
        import grpc.aio

        call = self._channel.stream_stream(path)(timeout=20)
        try:
            for message in messages:
                await call.write(message)
            await call.done_writing()
            async with asyncio.timeout(0.2):
                async for _ in call:
                    pass
        except TimeoutError:
            return Code.OK
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return Code((await call.code()).value[0])
        finally:
            call.cancel()
        return Code.OK

    async def close(self) -> None:
        await self._channel.close()
        await self.client.channel.close()


async def ask(raw: Raw, method: Method, data: bytes) -> tuple[Code, str]:
    """(code, text) of the answer: of a refusal its message, of a reply what is comparable of it."""
    try:
        reply = await raw.unary(method.path, data)
    except RpcError as error:
        return error.code, error.message
    return Code.OK, comparable(method.reply.FromString(reply))


def surprised(code: Code, text: str) -> bool:
    """Whether the server lost its countenance."""
    if code is Code.INTERNAL:
        return "unmarshal" not in text
    if "Traceback" in text or "Error" in text:
        return True
    return code is Code.UNKNOWN and not text.startswith(("etcdserver: ", "auth: "))


async def calm(raw: Raw) -> None:
    """Disarm what was alarmed, so that the next requests are not all refused."""
    for alarm in (await raw.client.maintenance.Alarm(pb.AlarmRequest())).alarms:
        disarm = pb.AlarmRequest(action=pb.AlarmRequest.DEACTIVATE, memberID=alarm.memberID, alarm=alarm.alarm)
        await raw.client.maintenance.Alarm(disarm)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[EtcdliteProcess]:
    process = EtcdliteProcess(tmp_path, "--bcrypt-cost=4")
    process.start()
    yield process
    assert process.running, process.log[-2000:]
    process.kill()
    assert "Traceback" not in process.log, process.log[-4000:]


@pytest.mark.e2e
@pytest.mark.timeout(60 + 20 * ROUNDS)
async def test_any_request_is_answered(process: EtcdliteProcess) -> None:
    raw = Raw(process)
    for seed in range(FIRST, FIRST + ROUNDS):
        fuzzer = Fuzzer(seed)
        for _ in range(REQUESTS // 10):
            for name, method in methods():
                data = fuzzer.message(method.request).SerializeToString()
                code, text = await ask(raw, method, data)
                assert not surprised(code, text), f"round {seed}: {name} {data!r}: {code} {text}"
                broken = fuzzer.broken(method.request)
                code, text = await ask(raw, method, broken)
                assert not surprised(code, text), f"round {seed}: {name} {broken!r}: {code} {text}"
            await calm(raw)
    await raw.client.put(b"still", b"here")
    await raw.close()


@pytest.mark.e2e
@pytest.mark.timeout(60 + 60 * ROUNDS)
async def test_any_stream_is_answered(process: EtcdliteProcess) -> None:
    raw = Raw(process)
    for seed in range(FIRST, FIRST + ROUNDS):
        fuzzer = Fuzzer(seed)
        for name, part, kind in (
            ("Watch", "Watch", pb.WatchRequest),
            ("Lease", "LeaseKeepAlive", pb.LeaseKeepAliveRequest),
        ):
            path = f"/etcdserverpb.{name}/{part}"
            sent = [[fuzzer.message(kind).SerializeToString() for _ in range(20)] for _ in range(5)]
            broken = [[*some[:10], fuzzer.broken(kind), *some[10:]] for some in sent]
            ended = await asyncio.gather(*(raw.stream(path, some) for some in (*sent, *broken)))
            assert set(ended[:5]) <= {Code.OK}, f"round {seed}: {name} {ended}"
            assert set(ended) <= {Code.OK, Code.INTERNAL}, f"round {seed}: {name} {ended}"
    await raw.client.put(b"still", b"here")
    await raw.close()


@pytest.mark.e2e
@pytest.mark.timeout(60 + 20 * ROUNDS)
@pytest.mark.skipif(etcd_binary() is None, reason="etcd is not installed (apt-get install etcd-server)")
async def test_the_answers_are_those_of_etcd(process: EtcdliteProcess, tmp_path: Path) -> None:
    """Of whole messages; what broken bytes mean is each protobuf library's own."""
    (tmp_path / "etcd").mkdir()
    etcd = EtcdProcess(tmp_path / "etcd", "--bcrypt-cost=4")
    etcd.start()
    ours, theirs = Raw(process), Raw(etcd)
    try:
        for seed in range(FIRST, FIRST + ROUNDS):
            await _compare(Fuzzer(seed), ours, theirs, seed)
    finally:
        await ours.close()
        await theirs.close()
        etcd.kill()


async def _compare(fuzzer: Fuzzer, ours: Raw, theirs: Raw, seed: int) -> None:
    table = dict(methods())
    for _ in range(REQUESTS):
        administration = fuzzer.chance.sample(ADMINISTRATION, 3) if etcd_version() >= (3, 5) else ()
        for name in (*COMPARED, *administration):
            request = fuzzer.message(table[name].request)
            if name == "Lease.LeaseGrant" and (not request.ID or 0 <= request.TTL < 1000):
                continue  # an id of the server's choice, or one that ends soon
            data = request.SerializeToString()
            mine, his = await asyncio.gather(ask(ours, table[name], data), ask(theirs, table[name], data))
            if name == "Lease.LeaseTimeToLive":
                mine, his = ((code, _timeless(text)) for code, text in (mine, his))
            assert mine == his, f"round {seed}: {name} {request}"
        await asyncio.gather(calm(ours), calm(theirs))


def _timeless(text: str) -> str:
    return "\n".join(sorted(line for line in text.splitlines() if not line.startswith("TTL")))


def nested(depth: int) -> bytes:
    """A put inside so many transactions, encoded by hand: no library makes as deep a message."""

    def field(number: int, data: bytes) -> bytes:
        return bytes((number << 3 | 2,)) + varint(len(data)) + data

    data = field(2, pb.PutRequest(key=b"k").SerializeToString())  # a RequestOp
    for level in range(depth):
        data = field(2, data)  # a TxnRequest
        if level < depth - 1:
            data = field(4, data)
    return data


@pytest.mark.e2e
async def test_what_no_library_reads_is_refused_as_malformed(process: EtcdliteProcess) -> None:
    raw = Raw(process)
    txn, role = service("etcdserverpb.KV")["Txn"], service("etcdserverpb.Auth")["RoleAdd"]
    assert (await ask(raw, txn, nested(45)))[0] is Code.OK
    for method, data in ((txn, nested(60)), (txn, nested(20_000)), (role, b"\x0a\x02\xff\xfe")):
        code, text = await ask(raw, method, data)
        assert code is Code.INTERNAL and text.startswith("grpc: failed to unmarshal the received message: ")
    await raw.client.put(b"still", b"here")
    await raw.close()


@pytest.mark.e2e
async def test_unknown_methods_and_services(process: EtcdliteProcess) -> None:
    raw = Raw(process)
    for path in ("/etcdserverpb.KV/Nothing", "/etcdserverpb.Nothing/Range", "/nothing", "/a/b/c", "//"):
        with pytest.raises(RpcError) as raised:
            await raw.unary(path, b"")
        assert raised.value.code is Code.UNIMPLEMENTED, path
    await raw.close()


@pytest.mark.e2e
@pytest.mark.parametrize("kind", ["etcdlite", "etcd"])
async def test_how_much_is_too_much(kind: str, tmp_path: Path) -> None:
    """A write counts as the log entry it becomes; a message over the limit of gRPC is not looked at."""
    if kind == "etcd" and etcd_binary() is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    process = EtcdliteProcess(tmp_path) if kind == "etcdlite" else EtcdProcess(tmp_path)
    process.start()
    raw = Raw(process)
    entry, message = 3 * 512 * 1024, 2 * 1024 * 1024
    kv = service("etcdserverpb.KV")

    async def sized(name: str, size: int, make: Any) -> tuple[Code, str]:
        request = make(b"v" * (size - 100))
        request = make(b"v" * (2 * size - 100 - request.ByteSize()))
        assert request.ByteSize() == size
        code, text = await ask(raw, kv[name], request.SerializeToString())
        return code, "" if code is Code.OK else text

    def put(value: bytes) -> Any:
        return pb.PutRequest(key=b"k", value=value)

    def txn(value: bytes) -> Any:
        return pb.TxnRequest(success=[pb.RequestOp(request_put=put(value))])

    fits, too_large = (Code.OK, ""), (Code.INVALID_ARGUMENT, "etcdserver: request is too large")
    too_long = Code.RESOURCE_EXHAUSTED, f"grpc: received message larger than max ({message + 1} vs. {message})"
    try:
        for name, make in (
            ("Put", put),
            ("DeleteRange", lambda key: pb.DeleteRangeRequest(key=key)),
            ("Txn", txn),
        ):
            assert await sized(name, entry - 18, make) == fits
            assert await sized(name, entry - 16, make) == too_large
            assert await sized(name, message, make) == too_large
            assert await sized(name, message + 1, make) == too_long
        for name, make in (
            ("Range", lambda key: pb.RangeRequest(key=key)),
            ("Txn", lambda key: pb.TxnRequest(success=[pb.RequestOp(request_range=pb.RangeRequest(key=key))])),
        ):
            assert await sized(name, message, make) == fits
            assert await sized(name, message + 1, make) == too_long
        code, text = await ask(raw, kv["Put"], put(b"v" * 20_000_000).SerializeToString())
        assert code is Code.RESOURCE_EXHAUSTED and "larger than max" in text
        refused = pb.PutRequest(value=b"v" * entry)
        assert await ask(raw, kv["Put"], refused.SerializeToString()) == (
            Code.INVALID_ARGUMENT,
            "etcdserver: key is not provided",
        )
    finally:
        await raw.close()
        process.kill()
