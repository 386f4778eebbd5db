"""Real clients of users and roles: etcdctl sets them up on `python -m etcdlite` and works as them, aetcd logs in, and
etcd takes the tokens that etcdlite signed, as etcdlite takes etcd's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machinery.rpc.grpc_channel import GrpcChannel
from tests.e2e.test_etcdctl import Etcdctl, watching
from tests.support.auth import OK, READ, AuthClient, outcome
from tests.support.etcd import EtcdliteProcess, EtcdProcess, StoreProcess, etcd_binary, pb, start_etcdlite

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        shutil.which("etcdctl") is None, reason="etcdctl is not installed (apt-get install etcd-client)"
    ),
]

As = Callable[[str], Etcdctl]


@pytest.fixture
def user(tmp_path: Path) -> Iterator[As]:
    """etcdctl as `NAME:PASSWORD`, or as nobody for ""."""
    process, url = start_etcdlite("--data-dir", str(tmp_path / "data"), "--bcrypt-cost", "4")

    def user(who: str) -> Etcdctl:
        return Etcdctl(url, *([f"--user={who}"] if who else []))

    yield user
    process.terminate()
    assert process.wait(20) == 0, "SIGTERM ends it in order"
    assert process.stdout is not None
    process.stdout.close()


def refused(ctl: Etcdctl, text: str, *arguments: str) -> None:
    done = ctl.run(*arguments)
    assert done.returncode != 0 and text in done.stderr, (done.stdout, done.stderr)


def test_users_and_roles(user: As) -> None:
    nobody, root, reader = user(""), user("root:pw"), user("reader:pw")
    nobody("put", "app/one", "1")
    nobody("put", "secret", "1")
    refused(nobody, "root user does not exist", "auth", "enable")
    assert "User root created" in nobody("user", "add", "root:pw")
    assert "Role root is granted to user root" in nobody("user", "grant-role", "root", "root")
    assert "Role app created" in nobody("role", "add", "app")
    assert "Role app updated" in nobody("role", "grant-permission", "app", "read", "app/", "--prefix")
    assert "User reader created" in nobody("user", "add", "reader", "--interactive=false", stdin="pw\n")
    nobody("user", "grant-role", "reader", "app")
    assert "Authentication Enabled" in nobody("auth", "enable")

    refused(nobody, "user name is empty", "get", "app/one")
    refused(user("reader:wrong"), "authentication failed, invalid user ID or password", "get", "app/one")
    assert reader("get", "app/", "--prefix", "--print-value-only") == "1\n"
    refused(reader, "permission denied", "get", "secret")
    refused(reader, "permission denied", "put", "app/one", "2")
    refused(reader, "permission denied", "user", "list")
    assert reader("user", "get", "reader") == "User: reader\nRoles: app\n"
    assert "[app/, app0) (prefix app/)" in reader("role", "get", "app")
    with watching(reader, "app/one", "--rev=1") as line:
        assert [line() for _ in range(3)] == ["PUT", "app/one", "1"]

    assert root("user", "list").split() == ["reader", "root"]
    assert root("role", "list").split() == ["app"]
    root("role", "grant-permission", "app", "readwrite", "app/one")
    assert reader("put", "app/one", "2") == "OK\n"
    lease = reader("lease", "grant", "500").split()[1]
    assert reader("put", "app/one", "3", f"--lease={lease}") == "OK\n"
    assert "keepalived" in reader("lease", "keep-alive", "--once", lease)
    refused(reader, "permission denied", "compaction", "2")
    assert "Finished defragmenting" in root("defrag")
    assert "Password updated" in root("user", "passwd", "reader", "--interactive=false", stdin="new\n")
    refused(reader, "authentication failed", "get", "app/one")
    assert user("reader:new")("get", "app/one", "--print-value-only") == "3\n"
    root("role", "revoke-permission", "app", "app/", "--prefix")
    refused(user("reader:new"), "permission denied", "get", "app/", "--prefix")
    refused(root, "invalid auth management", "user", "delete", "root")
    root("user", "revoke-role", "reader", "app")
    root("role", "delete", "app")
    assert "User reader deleted" in root("user", "delete", "reader")
    assert "Authentication Disabled" in root("auth", "disable")
    assert nobody("get", "secret", "--print-value-only") == "1\n"


async def test_what_was_acknowledged_about_users_survives_a_kill(tmp_path: Path) -> None:
    process = EtcdliteProcess(tmp_path, "--bcrypt-cost", "4")
    process.start()
    try:
        client = AuthClient(GrpcChannel(process.address))
        await client.add_role("r", (READ, b"k", b""))
        await client.add_user("u", "pw", "r")
        root = await client.enable()
        await root.auth.UserChangePassword(pb.AuthUserChangePasswordRequest(name="u", password="new"))
        process.kill()
        await client.channel.close()
        process.start()
        client = AuthClient(GrpcChannel(process.address))
        assert (await outcome(client.get(b"k")))[1] == "etcdserver: user name is empty"
        assert (await outcome(client.login("u", "pw")))[1].startswith("etcdserver: authentication failed")
        assert await outcome((await client.login("u", "new")).get(b"k")) == OK
        await client.channel.close()
    finally:
        process.kill()


async def test_aetcd_logs_in(user: As) -> None:
    import aetcd

    nobody = user("")
    nobody("put", "k", "1")
    nobody("user", "add", "root:pw")
    nobody("user", "grant-role", "root", "root")
    nobody("auth", "enable")
    host, _, port = nobody.url.removeprefix("http://").rpartition(":")
    async with aetcd.Client(host=host, port=int(port), username="root", password="pw") as client:
        assert (await client.get(b"k")).value == b"1"
        assert await client.put(b"k", b"2")
    with pytest.raises(aetcd.ClientError):
        async with aetcd.Client(host=host, port=int(port)) as client:
            await client.get(b"k")


class JwtEtcd(EtcdProcess):
    def __init__(self, directory: Path, token: str) -> None:
        super().__init__(directory)
        self._token = token

    def command(self) -> list[str]:
        return [*super().command(), "--bcrypt-cost", "4", "--auth-token", self._token]


@pytest.mark.skipif(etcd_binary() is None, reason="etcd is not installed (apt-get install etcd-server)")
async def test_signed_tokens_are_those_of_etcd(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    (tmp_path / "pub").write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    token = f"jwt,pub-key={tmp_path / 'pub'},priv-key={tmp_path / 'key'},sign-method=RS256,ttl=10m"
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    processes: list[StoreProcess] = [
        EtcdliteProcess(tmp_path / "ours", "--bcrypt-cost", "4", "--auth-token", token),
        JwtEtcd(tmp_path / "theirs", token),
    ]
    clients: list[AuthClient] = []
    try:
        for process in processes:
            process.start()
            clients.append(AuthClient(GrpcChannel(process.address)))
        tokens, roots = [], []
        for client in clients:
            await client.add_role("r", (READ, b"k", b""))
            await client.add_user("u", "pw", "r")
            roots.append(await client.enable())
            tokens.append(str((await client.login("u", "pw")).metadata["token"]))
        for client, shown in zip(clients, reversed(tokens), strict=True):
            assert await outcome(client.showing(shown).get(b"k")) == OK
            assert (await outcome(client.showing(shown).put(b"k")))[0] == "PERMISSION_DENIED"
        for client, root, shown in zip(clients, roots, tokens, strict=True):
            await root.add_role("later")
            old = ("INVALID_ARGUMENT", "etcdserver: revision of auth store is old")
            assert await outcome(client.showing(shown).get(b"k")) == old
            assert await outcome(root.put(b"k")) == old
            assert await outcome(root.add_role("administration does not look")) == OK
    finally:
        for client in clients:
            await client.channel.close()
        for process in processes:
            process.kill()
