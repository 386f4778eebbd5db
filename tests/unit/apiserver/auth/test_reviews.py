"""Questions, token requests, and the guard over roles and bindings."""

from __future__ import annotations

from typing import Any

import pytest

from actors import VirtualClock
from apiserver.auth.bootstrap.notation import binding, cluster_binding, cluster_role, role
from apiserver.auth.config import AuthConfig
from apiserver.auth.service import Auth
from apiserver.resources.registry import RESOURCES
from apiserver.verbs.context import RequestContext, UserInfo
from machinery.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound
from machinery.objects.gvk import GVR
from pilothouse.pki import service_account_key
from tests.support.caches import MemoryCaches

Object = dict[str, Any]

ALICE = UserInfo("alice", ("system:authenticated",))
ROOT = UserInfo("root", ("system:masters",))
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": "ns", "uid": "1"}}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "ns", "uid": "2"},
    "spec": {"serviceAccountName": "a"},
}


def make(*objects: Object) -> Auth:
    config = AuthConfig(service_account_key=service_account_key()[0], static_tokens={"secret": ALICE})
    return Auth(config, caches=MemoryCaches(*objects), clock=VirtualClock())


def context(api_version: str, resource: str, user: UserInfo = ALICE, **more: Any) -> RequestContext:
    group, _, version = api_version.rpartition("/")
    return RequestContext(RESOURCES[GVR(group, version, resource)], "create", user, **more)


LIST_PODS = {"namespace": "ns", "verb": "list", "resource": "pods"}
READER = (role("ns", "reader", ["list | core | pods"]), binding("ns", "readers", "reader", ["user:alice"]))


async def test_self_subject_access_review() -> None:
    auth = make(*READER)
    where = context("authorization.k8s.io/v1", "selfsubjectaccessreviews")
    yes = await auth.reviews.answer(where, {"spec": {"resourceAttributes": LIST_PODS}})
    assert yes["status"]["allowed"] is True
    assert yes["status"]["reason"].startswith("RBAC: allowed by RoleBinding")
    no = await auth.reviews.answer(where, {"spec": {"resourceAttributes": {**LIST_PODS, "verb": "get"}}})
    assert no["status"] == {"allowed": False}
    path = await auth.reviews.answer(where, {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/x"}}})
    assert path["status"]["allowed"] is False


async def test_subject_access_review_is_about_somebody_else() -> None:
    auth = make(*READER)
    where = context("authorization.k8s.io/v1", "subjectaccessreviews", ROOT)
    answer = await auth.reviews.answer(where, {"spec": {"user": "alice", "resourceAttributes": LIST_PODS}})
    assert answer["status"]["allowed"] is True
    with pytest.raises(Invalid, match="at least one of user or group must be specified"):
        await auth.reviews.answer(where, {"spec": {"resourceAttributes": LIST_PODS}})
    with pytest.raises(Invalid, match="exactly one of nonResourceAttributes or resourceAttributes"):
        await auth.reviews.answer(where, {"spec": {"user": "alice"}})


async def test_local_review_stays_in_its_namespace() -> None:
    auth = make(*READER)
    where = context("authorization.k8s.io/v1", "localsubjectaccessreviews", ROOT, namespace="ns")
    spec = {"user": "alice", "resourceAttributes": LIST_PODS}
    assert (await auth.reviews.answer(where, {"spec": spec}))["status"]["allowed"] is True
    elsewhere = {**spec, "resourceAttributes": {**LIST_PODS, "namespace": "other"}}
    with pytest.raises(BadRequest, match="must match namespace: ns"):
        await auth.reviews.answer(where, {"spec": elsewhere})


async def test_rules_review() -> None:
    auth = make(*READER, cluster_role("paths", ["get | /x"]), cluster_binding("paths", "paths", ["user:alice"]))
    where = context("authorization.k8s.io/v1", "selfsubjectrulesreviews")
    status = (await auth.reviews.answer(where, {"spec": {"namespace": "ns"}}))["status"]
    assert status["resourceRules"] == [{"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}]
    assert status["nonResourceRules"] == [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]
    assert status["incomplete"] is False
    with pytest.raises(BadRequest, match="no namespace on request"):
        await auth.reviews.answer(where, {"spec": {}})


async def test_token_and_self_review() -> None:
    auth = make()
    where = context("authentication.k8s.io/v1", "tokenreviews", ROOT)
    status = (await auth.reviews.answer(where, {"spec": {"token": "secret"}}))["status"]
    assert status["authenticated"] is True
    assert status["user"] == {"username": "alice", "groups": ["system:authenticated"]}
    status = (await auth.reviews.answer(where, {"spec": {"token": "wrong"}}))["status"]
    assert status == {"user": {}, "error": "invalid bearer token"}
    me = await auth.reviews.answer(context("authentication.k8s.io/v1", "selfsubjectreviews"), {})
    assert me["status"]["userInfo"]["username"] == "alice"


async def test_token_requests() -> None:
    auth = make(ACCOUNT, POD)
    where = context("v1", "serviceaccounts", ROOT, namespace="ns", name="a", subresource="token")
    answer = await auth.reviews.answer(where, {"spec": {}})
    assert answer["kind"] == "TokenRequest"
    assert answer["spec"]["expirationSeconds"] == 3600
    user, _ = await auth.authenticator.authenticate_token(answer["status"]["token"], audiences=())
    assert user.name == "system:serviceaccount:ns:a"
    with pytest.raises(Invalid, match="may not specify a duration less than 10 minutes"):
        await auth.reviews.answer(where, {"spec": {"expirationSeconds": 5}})
    pod = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    await auth.reviews.answer(where, {"spec": {"boundObjectRef": pod}})
    with pytest.raises(Conflict, match="does not match the UID in record"):
        await auth.reviews.answer(where, {"spec": {"boundObjectRef": {**pod, "uid": "other"}}})
    with pytest.raises(NotFound):
        await auth.reviews.answer(where, {"spec": {"boundObjectRef": {**pod, "name": "q"}}})
    with pytest.raises(BadRequest, match="cannot bind token"):
        await auth.reviews.answer(where, {"spec": {"boundObjectRef": {"kind": "ConfigMap", "apiVersion": "v1"}}})
    nobody = context("v1", "serviceaccounts", ROOT, namespace="ns", name="b", subresource="token")
    with pytest.raises(NotFound):
        await auth.reviews.answer(nobody, {"spec": {}})


RBAC = "rbac.authorization.k8s.io/v1"


def test_nobody_grants_more_than_they_have() -> None:
    auth = make(*READER, cluster_role("all", ["* | * | *"]))
    where = context(RBAC, "roles", namespace="ns")
    auth.guard.check(where, role("ns", "new", ["list | core | pods"]), None)
    greedy = role("ns", "new", ["get list | core | pods secrets"])
    with pytest.raises(Forbidden) as caught:
        auth.guard.check(where, greedy, None)
    assert caught.value.message == (
        'roles.rbac.authorization.k8s.io "new" is forbidden: user "alice" (groups=["system:authenticated"]) is '
        "attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["get"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}'
    )
    # A write that changes no rule grants nothing.
    auth.guard.check(where, greedy, greedy)
    auth.guard.check(context(RBAC, "roles", ROOT, namespace="ns"), greedy, None)
    to_all = context(RBAC, "clusterrolebindings", name="b")
    with pytest.raises(Forbidden, match="not currently held"):
        auth.guard.check(to_all, cluster_binding("b", "all", ["user:alice"]), None)
    with pytest.raises(NotFound):
        auth.guard.check(to_all, cluster_binding("b", "absent", ["user:alice"]), None)


def test_escalate_and_bind_are_verbs_of_their_own() -> None:
    auth = make(
        cluster_role("all", ["* | * | *"]),
        cluster_role(
            "granter",
            [
                "escalate | rbac.authorization.k8s.io | roles clusterroles",
                "bind | rbac.authorization.k8s.io | clusterroles | all",
            ],
        ),
        cluster_binding("granters", "granter", ["user:alice"]),
    )
    auth.guard.check(context(RBAC, "clusterroles", name="new"), cluster_role("new", ["* | * | *"]), None)
    auth.guard.check(context(RBAC, "clusterrolebindings"), cluster_binding("b", "all", ["user:alice"]), None)


def test_only_root_makes_sums() -> None:
    summing = {**cluster_role("sum", []), "aggregationRule": {"clusterRoleSelectors": [{}]}}
    where = context(RBAC, "clusterroles", name="sum")
    with pytest.raises(Forbidden, match="aggregationRule"):
        make(*READER).guard.check(where, summing, None)
    root = make(cluster_role("all", ["* | * | *", "* | *"]), cluster_binding("b", "all", ["user:alice"]))
    root.guard.check(where, summing, None)
