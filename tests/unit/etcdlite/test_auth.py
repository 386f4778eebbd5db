"""Users and roles of a whole store in this process: restarts, copies, time, signed tokens, certificate names."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pathlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors import Clock, System, SystemClock, VirtualClock
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.store.export import Export
from etcdlite.store.log import Log
from machinery.rpc import LocalChannel
from machinery.rpc.api import Peer
from tests.support.auth import OK, READWRITE, WRITE, AuthClient, outcome
from tests.support.etcd import pb

DENIED = ("PERMISSION_DENIED", "etcdserver: permission denied")
NO_NAME = ("INVALID_ARGUMENT", "etcdserver: user name is empty")
BAD_TOKEN = ("UNAUTHENTICATED", "etcdserver: invalid auth token")
OLD = ("INVALID_ARGUMENT", "etcdserver: revision of auth store is old")


@contextlib.asynccontextmanager
async def running(
    *, clock: Clock | None = None, seed: Export | None = None, peer: Peer | None = None, **settings: Any
) -> AsyncIterator[tuple[AuthClient, EtcdLite]]:
    clock = clock or SystemClock()
    app = EtcdLite(Config(**{"bcrypt_cost": 4, **settings}), clock=clock, seed=seed)
    async with System(app.spec(), clock=clock):
        await app.ready()
        yield AuthClient(LocalChannel(app.services(), peer=peer)), app


async def prepared(store: AuthClient) -> None:
    """Enabled, with a user `u` who may write w/*."""
    await store.put(b"w/k", b"1")
    root = await store.enable()
    await root.add_role("r", (WRITE, b"w/", b"w0"))
    await root.add_user("u", "secret", "r")


async def check_prepared(store: AuthClient) -> None:
    assert await outcome(store.put(b"w/k")) == NO_NAME
    user = await store.login("u", "secret")
    assert await outcome(user.put(b"w/k")) == OK
    assert await outcome(user.get(b"w/k")) == DENIED
    root = await store.login("root", "root-secret")
    status = await root.auth.AuthStatus(pb.AuthStatusRequest())
    assert (status.enabled, status.authRevision) == (True, 7)


# ---- what survives ------------------------------------------------------------------------------------------------


async def test_users_survive_a_restart(tmp_path: Path) -> None:
    async with running(data_dir=str(tmp_path)) as (store, _):
        await prepared(store)
        token = (await store.login("u", "secret")).metadata["token"]
    async with running(data_dir=str(tmp_path)) as (store, _):
        await check_prepared(store)
        assert await outcome(store.showing(str(token)).put(b"w/k")) == BAD_TOKEN, "tokens do not: clients log in again"
        root = await store.login("root", "root-secret")
        await root.auth.UserDelete(pb.AuthUserDeleteRequest(name="u"))
        await root.auth.AuthDisable(pb.AuthDisableRequest())
    async with running(data_dir=str(tmp_path)) as (store, _):
        assert list((await store.auth.UserList(pb.AuthUserListRequest())).users) == ["root"]
        assert await outcome(store.put(b"w/k")) == OK


async def test_a_fork_has_the_users() -> None:
    async with running() as (store, app):
        await prepared(store)
        export = await app.export()
    async with running(seed=export) as (store, _):
        await check_prepared(store)


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "file"])
async def test_a_snapshot_has_the_users(tmp_path: Path, durable: bool) -> None:
    target = tmp_path / "restored"
    target.mkdir()
    async with running(data_dir=str(tmp_path / "data") if durable else None) as (store, _):
        await prepared(store)
        root = await store.login("root", "root-secret")
        blobs = [reply.blob async for reply in root.maintenance.Snapshot(pb.SnapshotRequest())]
    (target / "store.db").write_bytes(b"".join(blobs[:-1]))
    async with running(data_dir=str(target)) as (store, _):
        await check_prepared(store)


async def test_a_change_that_the_file_refuses_did_not_happen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(data_dir=str(tmp_path)) as (store, _):
        await prepared(store)
        root = await store.login("root", "root-secret")
        commit = Log.commit

        def full(self: Log, batch: Any) -> Any:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Log, "commit", full)
        assert await outcome(root.auth.RoleDelete(pb.AuthRoleDeleteRequest(role="r"))) != OK
        monkeypatch.setattr(Log, "commit", commit)
        assert list((await root.auth.RoleList(pb.AuthRoleListRequest())).roles) == ["r"]
        assert list((await root.auth.UserGet(pb.AuthUserGetRequest(name="u"))).roles) == ["r"]


# ---- in between ---------------------------------------------------------------------------------------------------


async def test_what_is_taken_away_is_asked_for_when_a_write_is_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that waits for the file, while its permission is revoked and the revocation answered."""
    async with running(data_dir=str(tmp_path), cache_bytes=0) as (store, app):
        await prepared(store)
        root = await store.login("root", "root-secret")
        await root.grant("r", READWRITE, b"w/k")
        user = await store.login("u", "secret")
        held, reached, load = asyncio.Event(), asyncio.Event(), app._parts.store.loader.load

        async def slowly(positions: Any, absent: frozenset[int] = frozenset()) -> frozenset[int]:
            reached.set()
            await held.wait()
            return await load(positions, absent)

        monkeypatch.setattr(app._parts.store.loader, "load", slowly)
        writing = asyncio.ensure_future(outcome(user.put(b"w/k", b"late", prev_kv=True)))
        await reached.wait()
        await root.auth.UserRevokeRole(pb.AuthUserRevokeRoleRequest(name="u", role="r"))
        held.set()
        assert await writing == OLD
        assert (await root.get(b"w/k")).kvs[0].value == b"1"


async def test_a_password_that_changes_while_it_is_compared_is_compared_again() -> None:
    async with running() as (store, _):
        await prepared(store)
        root = await store.login("root", "root-secret")
        logging_in = asyncio.ensure_future(outcome(store.login("u", "secret")))
        await root.auth.UserChangePassword(pb.AuthUserChangePasswordRequest(name="u", password="other"))
        assert (await logging_in)[0] in ("INVALID_ARGUMENT", "OK")
        user = await store.login("u", "other")
        assert await outcome(user.put(b"w/k")) == OK


async def test_a_lease_that_runs_out_needs_nobodys_permission() -> None:
    clock = VirtualClock()
    async with running(clock=clock) as (store, _):
        await prepared(store)
        user = await store.login("u", "secret")
        lease = (await user.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=5))).ID
        await user.put(b"w/leased", lease=lease)
        await clock.advance(seconds=6)
        root = await store.login("root", "root-secret")
        assert (await root.get(b"w/leased")).count == 0


# ---- tokens -------------------------------------------------------------------------------------------------------


async def test_a_simple_token_ends_some_time_after_its_last_use() -> None:
    clock = VirtualClock()
    async with running(clock=clock, auth_token_ttl=100) as (store, _):
        await prepared(store)
        user, idle = await store.login("u", "secret"), await store.login("u", "secret")
        for _ in range(3):
            await clock.advance(seconds=90)
            assert await outcome(user.put(b"w/k")) == OK, "each use renews it"
        assert await outcome(idle.put(b"w/k")) == BAD_TOKEN
        await clock.advance(seconds=101)
        assert await outcome(user.put(b"w/k")) == BAD_TOKEN


def make_keys(directory: Path) -> None:
    """Pairs of keys as PEM, and secrets."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pairs: dict[str, Any] = {
        "rsa": rsa_key,
        "ec": ec.generate_private_key(ec.SECP256R1()),
        "ed": ed25519.Ed25519PrivateKey.generate(),
        "large": ec.generate_private_key(ec.SECP384R1()),
        "other": ec.generate_private_key(ec.SECP256R1()),
    }
    for name, key in pairs.items():
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (directory / f"{name}.key").write_bytes(private)
        (directory / f"{name}.pub").write_bytes(public)
    (directory / "secret").write_bytes(b"s" * 64)
    (directory / "empty").write_bytes(b"")


@pytest.fixture(scope="module")
def jwt_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    make_keys(directory)
    return directory


@pytest.mark.parametrize(
    "option",
    [
        "sign-method=RS256,priv-key=rsa.key,pub-key=rsa.pub",
        "sign-method=PS384,priv-key=rsa.key",
        "sign-method=ES256,priv-key=ec.key,pub-key=ec.pub",
        "sign-method=EdDSA,priv-key=ed.key",
        "sign-method=HS256,priv-key=secret",
    ],
)
async def test_signed_tokens(jwt_keys: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.chdir(jwt_keys)
    clock = VirtualClock()
    async with running(clock=clock, auth_token=f"jwt,{option},ttl=10m") as (store, _):
        await prepared(store)
        user = await store.login("u", "secret")
        assert await outcome(user.put(b"w/k")) == OK
        header, claims, signature = str(user.metadata["token"]).split(".")
        forged = f"{header}.{claims}.{signature[:-5]}AAAA{signature[-1]}"
        assert await outcome(store.showing(forged).put(b"w/k")) == BAD_TOKEN
        bearing = AuthClient(store.plain, {"authorization": f"Bearer {user.metadata['token']!s}"})
        assert await outcome(bearing.put(b"w/k")) == OK
        root = await store.login("root", "root-secret")
        await root.add_role("later")
        assert await outcome(user.put(b"w/k")) == OLD, "authenticated before that"
        assert await outcome(root.put(b"w/k")) == OLD
        assert await outcome(root.auth.UserList(pb.AuthUserListRequest())) == OK, "administration does not look"
        user = await store.login("u", "secret")
        assert await outcome(user.put(b"w/k")) == OK
        await clock.advance(minutes=10, seconds=1)
        assert await outcome(user.put(b"w/k")) == BAD_TOKEN


async def test_a_token_of_another_server_with_the_same_key(jwt_keys: Path) -> None:
    """Which has the public key alone: it takes tokens and makes none."""
    private = f"jwt,sign-method=ES256,priv-key={jwt_keys / 'ec.key'}"
    public = f"jwt,sign-method=ES256,pub-key={jwt_keys / 'ec.pub'}"
    async with running(auth_token=private) as (store, app):
        await prepared(store)
        token = str((await store.login("u", "secret")).metadata["token"])
        export = await app.export()
    async with running(auth_token=public, seed=export) as (store, _):
        assert await outcome(store.showing(token).put(b"w/k")) == OK
        refused = await outcome(store.login("u", "secret"))
        assert refused == ("UNKNOWN", "auth: token signing attempted with verify-only key")


@pytest.mark.parametrize(
    ("option", "text"),
    [
        pytest.param("magic", "neither simple nor jwt", id="kind"),
        pytest.param("jwt", "sign-method must be one of", id="no method"),
        pytest.param("jwt,sign-method=none", "sign-method must be one of", id="none"),
        pytest.param("jwt,sign-method=RS256", "needs priv-key", id="no key"),
        pytest.param("jwt,sign-method=HS256,pub-key=secret", "needs priv-key", id="no secret"),
        pytest.param("jwt,sign-method=HS256,priv-key=empty", "empty is empty", id="empty secret"),
        pytest.param("jwt,sign-method=RS256,priv-key=none", "cannot read none", id="no file"),
        pytest.param("jwt,sign-method=RS256,priv-key=secret", "secret holds no key for RS256", id="no PEM"),
        pytest.param("jwt,sign-method=RS256,priv-key=ec.key", "ec.key holds no key for RS256", id="another kind"),
        pytest.param("jwt,sign-method=ES256,priv-key=large.key", "large.key holds no key for ES256", id="curve"),
        pytest.param("jwt,sign-method=HS256,priv-key=rsa.key", "rsa.key holds no key for HS256", id="PEM as secret"),
        pytest.param("jwt,sign-method=ES256,priv-key=ec.pub", "no private key", id="public for private"),
        pytest.param("jwt,sign-method=ES256,priv-key=ec.key,pub-key=ec.key", "no public key", id="private for public"),
        pytest.param("jwt,sign-method=ES256,priv-key=ec.key,pub-key=other.pub", "do not belong together", id="pair"),
        pytest.param("jwt,sign-method=ES256,priv-key=ec.key,ttl=5", "has no unit", id="ttl"),
        pytest.param("jwt,sign-method=ES256,priv-key=ec.key,color=red", "no option color", id="option"),
        pytest.param("jwt,sign-method=ES256,sign-method=ES256", "each name once", id="twice"),
        pytest.param("simple,word", "NAME=VALUE", id="no value"),
    ],
)
def test_tokens_that_cannot_be(jwt_keys: Path, monkeypatch: pytest.MonkeyPatch, option: str, text: str) -> None:
    monkeypatch.chdir(jwt_keys)
    with pytest.raises(ValueError, match=text) as raised:
        EtcdLite(Config(auth_token=option), clock=SystemClock())
    assert "\n" not in str(raised.value)


# ---- certificate names --------------------------------------------------------------------------------------------


async def test_the_name_of_a_certificate_says_who_calls() -> None:
    certificates: dict[str, Any] = {"client_cert_auth": True, "trusted_ca_file": "/not/read/without/a/listener"}
    async with running(peer=Peer("u"), **certificates) as (named, app):
        await prepared(named)
        assert await outcome(named.put(b"w/k")) == OK
        assert await outcome(named.get(b"w/k")) == DENIED
        root = await named.login("root", "root-secret")
        assert await outcome(root.get(b"w/k")) == OK, "a token counts more"
        assert await outcome(named.showing("nonsense").put(b"w/k")) == BAD_TOKEN
        gateway = AuthClient(named.plain, {"grpcgateway-accept": "*/*"})
        assert await outcome(gateway.put(b"w/k")) == NO_NAME, "its certificate lends its name to nobody"
        unknown = AuthClient(LocalChannel(app.services(), peer=Peer("unknown")))
        assert await outcome(unknown.put(b"w/k")) == DENIED
        missing = ("FAILED_PRECONDITION", "etcdserver: user name not found")
        assert await outcome(unknown.auth.UserList(pb.AuthUserListRequest())) == missing
        nameless = AuthClient(LocalChannel(app.services(), peer=Peer("")))
        assert await outcome(nameless.put(b"w/k")) == DENIED
        assert await outcome(AuthClient(LocalChannel(app.services())).put(b"w/k")) == NO_NAME


async def test_names_of_certificates_that_are_not_demanded_do_not_count() -> None:
    async with running(peer=Peer("root")) as (store, _):
        await prepared(store)
        assert await outcome(store.put(b"w/k")) == NO_NAME


# ---- secrets ------------------------------------------------------------------------------------------------------


async def test_no_password_hash_or_token_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(data_dir=str(tmp_path)) as (store, app):
        await prepared(store)
        await outcome(store.login("u", "guessed-wrongly"))
        user = await store.login("u", "secret")
        await outcome(store.showing("stolen-token").put(b"w/k"))
        hashed = app._parts.store.auth.user("u").password.decode()
        token = str(user.metadata["token"])
    for secret in ("root-secret", "guessed-wrongly", "stolen-token", hashed, token):
        assert secret not in caplog.text
    assert "authentication refused user='u'" in caplog.text
    stored = b"".join(path.read_bytes() for path in pathlib.Path(tmp_path).iterdir())
    assert b"root-secret" not in stored


async def test_a_hash_made_elsewhere_is_refused() -> None:
    """The store could never compare a password with it."""
    async with running() as (store, _):
        await store.add_user("u", "secret")
        bcrypt = pb.AuthUserChangePasswordRequest(name="u", hashedPassword="JDJhJDEwJA==")
        code, text = await outcome(store.auth.UserChangePassword(bcrypt))
        assert (code, text.partition(":")[0]) == ("UNIMPLEMENTED", "etcdlite")
