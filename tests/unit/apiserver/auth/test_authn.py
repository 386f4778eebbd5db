"""Who asks: certificates, service accounts, bootstrap and static tokens, nobody, and somebody as somebody else."""

from __future__ import annotations

import base64
from typing import Any

import jwt
import pytest

from actors import VirtualClock
from apiserver.auth.api import Credentials, Impersonation
from apiserver.auth.bootstrap.notation import cluster_binding, cluster_role
from apiserver.auth.config import AuthConfig
from apiserver.auth.service import Auth
from apiserver.verbs.context import UserInfo
from machinery.errors import Forbidden, InternalError, Unauthorized
from machinery.objects import timefmt
from machinery.rpc.api import Peer
from pilothouse.pki import service_account_key
from tests.support.caches import MemoryCaches

Object = dict[str, Any]

ACCOUNT: Object = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "robot", "namespace": "ns", "uid": "account-uid"},
}
POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "pod", "namespace": "ns", "uid": "pod-uid"},
    "spec": {"serviceAccountName": "robot", "nodeName": "n1"},
}
NODE: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "node-uid"}}
SPEC: Object = {"expirationSeconds": 3600, "audiences": []}
BOUND: Object = {**SPEC, "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "pod"}}


class World:
    def __init__(self, **config: Any) -> None:
        self.clock = VirtualClock()
        self.caches = MemoryCaches(ACCOUNT, POD, NODE)
        config.setdefault("service_account_key", service_account_key()[0])
        self.auth = Auth(AuthConfig(**config), caches=self.caches, clock=self.clock)

    async def who(self, bearer: str = "", **more: Any) -> UserInfo:
        return await self.auth.authenticator.authenticate(Credentials(bearer=bearer, **more))

    def token(self, spec: Object = SPEC, **more: Any) -> str:
        more.setdefault("bound", None)
        more.setdefault("node", None)
        return self.auth.tokens.issue(ACCOUNT, spec, **more).token


async def test_a_certificate_is_a_user_and_its_groups() -> None:
    user = await World().who(peer=Peer("me", ("a", "b")))
    assert (user.name, user.groups) == ("me", ("a", "b", "system:authenticated"))


async def test_nobody() -> None:
    user = await World().who()
    assert (user.name, user.groups) == ("system:anonymous", ("system:unauthenticated",))
    with pytest.raises(Unauthorized, match="Unauthorized"):
        await World(anonymous=False).who()


async def test_static_tokens() -> None:
    world = World(static_tokens={"secret": UserInfo("me", ("g",))})
    assert (await world.who("secret")).groups == ("g", "system:authenticated")
    with pytest.raises(Unauthorized):
        await world.who("secret2")


async def test_a_service_account_and_what_its_token_tells() -> None:
    world = World()
    user = await world.who(world.token(BOUND, bound=POD, node=NODE))
    assert user.name == "system:serviceaccount:ns:robot"
    assert user.uid == "account-uid"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    assert user.extra["authentication.kubernetes.io/pod-uid"] == ("pod-uid",)
    assert user.extra["authentication.kubernetes.io/node-name"] == ("n1",)


async def test_a_token_ends_with_its_time_account_and_pod() -> None:
    world = World()
    plain, bound = world.token(), world.token(BOUND, bound=POD)
    await world.who(plain)
    world.caches.remove(POD)
    with pytest.raises(Unauthorized):
        await world.who(bound)
    await world.who(plain)
    await world.clock.advance(seconds=3600)
    with pytest.raises(Unauthorized):
        await world.who(plain)
    again = world.token()
    await world.who(again)
    world.caches.put({**ACCOUNT, "metadata": {**ACCOUNT["metadata"], "uid": "another"}})
    with pytest.raises(Unauthorized):
        await world.who(again)


async def test_a_deleted_pod_has_a_minute() -> None:
    world = World()
    token = world.token(BOUND, bound=POD)
    deleted = timefmt.format(world.clock.now())
    world.caches.put({**POD, "metadata": {**POD["metadata"], "deletionTimestamp": deleted}})
    await world.clock.advance(seconds=50)
    await world.who(token)
    await world.clock.advance(seconds=20)
    with pytest.raises(Unauthorized):
        await world.who(token)


async def test_audiences() -> None:
    world = World()
    token = world.token({**SPEC, "audiences": ["vault"]})
    with pytest.raises(Unauthorized):
        await world.who(token)
    user, audiences = await world.auth.authenticator.authenticate_token(token, audiences=["vault", "other"])
    assert (user.name, audiences) == ("system:serviceaccount:ns:robot", ("vault",))


async def test_forged_tokens() -> None:
    world, other = World(), World()
    with pytest.raises(Unauthorized):
        await world.who(other.token())
    header, claims, _ = world.token().split(".")
    unsigned = jwt.encode(jwt.decode(world.token(), options={"verify_signature": False}), "", algorithm="none")
    for forged in (f"{header}.{claims}.AAAA", unsigned, "a.b.c", "nothing"):
        with pytest.raises(Unauthorized):
            await world.who(forged)


async def test_old_keys_verify_and_the_documents_list_them() -> None:
    old_key = service_account_key()[0]
    old = World(service_account_key=old_key).token()
    world = World(service_account_verification_keys=(old_key,))
    assert (await world.who(old)).name == "system:serviceaccount:ns:robot"
    keys = world.auth.tokens.jwks()["keys"]
    assert [key["alg"] for key in keys] == ["ES256", "ES256"]
    assert {jwt.get_unverified_header(token)["kid"] for token in (old, world.token())} == {key["kid"] for key in keys}
    assert world.auth.tokens.openid_configuration()["jwks_uri"].endswith("/openid/v1/jwks")


async def test_pods_tokens_live_a_year_and_say_when_they_should_have_been_renewed() -> None:
    world = World()
    issued = world.auth.tokens.issue(ACCOUNT, {**BOUND, "expirationSeconds": 3607}, bound=POD, node=None)
    claims = jwt.decode(issued.token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 365 * 24 * 3600
    assert claims["kubernetes.io"]["warnafter"] - claims["iat"] == 3607


def bootstrap_secret(**data: str) -> Object:
    values = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        **data,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
        "data": {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


async def test_bootstrap_tokens() -> None:
    world = World()
    world.caches.put(bootstrap_secret(auth_extra_groups="system:bootstrappers:kubeadm:default-node-token"))
    user = await world.who("abcdef.0123456789abcdef")
    assert user.name == "system:bootstrap:abcdef"
    assert user.groups == (
        "system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token", "system:authenticated",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "token"),
    [
        ({}, "abcdef.0123456789abcdeX"),
        ({}, "abcdef.0123456789abcde0"),
        ({}, "zzzzzz.0123456789abcdef"),
        ({"usage-bootstrap-authentication": "false"}, "abcdef.0123456789abcdef"),
        ({"expiration": "2000-01-01T00:00:00Z"}, "abcdef.0123456789abcdef"),
        ({"expiration": "soon"}, "abcdef.0123456789abcdef"),
        ({"auth-extra-groups": "system:masters"}, "abcdef.0123456789abcdef"),
    ],
    ids=["shape", "secret", "id", "usage", "expired", "unreadable", "group"],
)
async def test_bootstrap_tokens_that_are_refused(data: dict[str, str], token: str) -> None:
    world = World()
    world.caches.put(bootstrap_secret(**data))
    with pytest.raises(Unauthorized):
        await world.who(token)


async def test_impersonation_needs_the_right_to_each_part() -> None:
    world = World()
    bob = Peer("bob", ())
    for wanted in (Impersonation("alice"), Impersonation("alice", ("g",)), Impersonation("alice", uid="1")):
        with pytest.raises(Forbidden, match='User "bob" cannot impersonate resource "users"'):
            await world.who(peer=bob, impersonate=wanted)
    world.caches.put(cluster_role("actor", ["impersonate | core | users", "impersonate | core | groups | g"]))
    world.caches.put(cluster_binding("actors", "actor", ["user:bob"]))
    user = await world.who(peer=bob, impersonate=Impersonation("alice", ("g",)))
    assert (user.name, user.groups) == ("alice", ("g", "system:authenticated"))
    with pytest.raises(
        Forbidden, match='"system:masters" is forbidden: User "bob" cannot impersonate resource "groups"'
    ):
        await world.who(peer=bob, impersonate=Impersonation("alice", ("system:masters",)))


async def test_impersonated_accounts_have_their_groups() -> None:
    root = Peer("root", ("system:masters",))
    user = await World().who(peer=root, impersonate=Impersonation("system:serviceaccount:ns:robot"))
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    with pytest.raises(InternalError, match="without impersonating a user"):
        await World().who(peer=root, impersonate=Impersonation(groups=("g",)))
