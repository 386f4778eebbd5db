"""Who may what: RBAC by roles and bindings, nodes, masters, and what a refusal says."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.auth.api import Attributes
from apiserver.auth.authz import AuthorizerChain, build_authorizer, refusal
from apiserver.auth.bootstrap.notation import binding, cluster_binding, cluster_role, role
from apiserver.auth.bootstrap.reconcile import defaults
from apiserver.auth.config import AuthConfig
from apiserver.auth.rbac import RbacPolicy
from apiserver.verbs.context import UserInfo
from tests.support.caches import MemoryCaches

ALICE = UserInfo("alice", ("developers", "system:authenticated"))
NODE = UserInfo("system:node:n1", ("system:nodes", "system:authenticated"))
ROOT = UserInfo("root", ("system:masters",))


def chain(caches: MemoryCaches) -> AuthorizerChain:
    return build_authorizer(AuthConfig(), policy=RbacPolicy(caches), caches=caches)


def pod(name: str, node: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": node, **spec}}


def ask(user: UserInfo, verb: str, resource: str, **more: str) -> Attributes:
    return Attributes(user=user, verb=verb, resource=resource, version="v1", **more)


def test_a_role_reaches_one_namespace_and_a_cluster_role_all() -> None:
    caches = MemoryCaches(
        role("a", "reader", ["get list | core | pods"]),
        binding("a", "readers", "reader", ["group:developers"]),
        cluster_role("lister", ["list | core | services"]),
        cluster_binding("listers", "lister", ["user:alice"]),
    )
    authorizer = chain(caches)
    assert authorizer.authorize(ask(ALICE, "get", "pods", namespace="a", name="p")).allowed
    assert not authorizer.authorize(ask(ALICE, "get", "pods", namespace="b", name="p")).allowed
    assert not authorizer.authorize(ask(ALICE, "list", "pods")).allowed
    assert authorizer.authorize(ask(ALICE, "list", "services")).allowed
    assert authorizer.authorize(ask(ALICE, "list", "services", namespace="b")).allowed


def test_the_reason_names_binding_role_and_subject() -> None:
    caches = MemoryCaches(
        cluster_role("lister", ["list | core | services"]),
        cluster_binding("listers", "lister", ["account:ns/robot"]),
    )
    robot = UserInfo("system:serviceaccount:ns:robot")
    decision = chain(caches).authorize(ask(robot, "list", "services"))
    assert decision.reason == (
        'RBAC: allowed by ClusterRoleBinding "listers" of ClusterRole "lister" to ServiceAccount "robot/ns"'
    )


def test_changes_count_at_once() -> None:
    caches = MemoryCaches()
    authorizer = chain(caches)
    question = ask(ALICE, "get", "pods", namespace="a", name="p")
    bound = caches.put(binding("a", "readers", "reader", ["user:alice"]))
    decision = authorizer.authorize(question)
    assert not decision.allowed
    assert decision.reason == 'RBAC: role.rbac.authorization.k8s.io "reader" not found'
    made = caches.put(role("a", "reader", ["get | core | pods"]))
    assert authorizer.authorize(question).allowed
    caches.put({**made, "rules": []})
    assert not authorizer.authorize(question).allowed
    caches.put(made)
    caches.put({**bound, "subjects": []})
    assert not authorizer.authorize(question).allowed
    caches.put(bound)
    caches.remove(bound)
    assert not authorizer.authorize(question).allowed
    assert authorizer.rules(ALICE, "a") == ([], [])


def test_a_role_binding_gives_no_paths() -> None:
    caches = MemoryCaches(
        cluster_role("paths", ["get | /metrics"]),
        {**binding("a", "b", "paths", ["user:alice"]), "roleRef": {"kind": "ClusterRole", "name": "paths"}},
    )
    question = Attributes(user=ALICE, verb="get", path="/metrics", namespace="a")
    assert not chain(caches).authorize(question).allowed


def test_masters_need_no_role() -> None:
    assert chain(MemoryCaches()).authorize(ask(ROOT, "delete", "nodes", name="n")).allowed


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            ask(ALICE, "list", "pods", namespace="default"),
            'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "default"',
        ),
        (
            ask(ALICE, "get", "deployments", group="apps", name="d", namespace="a", subresource="scale"),
            (
                'deployments.apps "d" is forbidden: User "alice" cannot get resource "deployments/scale" in API group '
                '"apps" in the namespace "a"'
            ),
        ),
        (
            ask(ALICE, "create", "nodes"),
            'nodes is forbidden: User "alice" cannot create resource "nodes" in API group "" at the cluster scope',
        ),
        (
            Attributes(user=ALICE, verb="get", path="/metrics"),
            'forbidden: User "alice" cannot get path "/metrics"',
        ),
    ],
    ids=["namespace", "subresource", "cluster", "path"],
)
def test_refusals_in_the_words_of_upstream(attributes: Attributes, message: str) -> None:
    decision = chain(MemoryCaches()).authorize(attributes)
    assert not decision.allowed
    error = refusal(attributes, decision)
    assert error.message == message
    assert error.status()["code"] == 403


NODE_CASES = [
    ("get", "secrets", {"name": "wanted", "namespace": "default"}, True),
    ("get", "secrets", {"name": "other", "namespace": "default"}, False),
    ("get", "secrets", {"name": "wanted", "namespace": "elsewhere"}, False),
    ("list", "secrets", {"namespace": "default"}, False),
    ("watch", "secrets", {"namespace": "default", "field_selector": "metadata.name=wanted"}, True),
    ("delete", "secrets", {"name": "wanted", "namespace": "default"}, False),
    ("get", "configmaps", {"name": "settings", "namespace": "default"}, True),
    ("get", "configmaps", {"name": "projected", "namespace": "default"}, True),
    ("get", "configmaps", {"name": "other", "namespace": "default"}, False),
    ("get", "persistentvolumeclaims", {"name": "data", "namespace": "default"}, True),
    ("get", "persistentvolumes", {"name": "volume"}, True),
    ("get", "persistentvolumes", {"name": "other"}, False),
    ("create", "serviceaccounts", {"name": "robot", "namespace": "default", "subresource": "token"}, True),
    ("create", "serviceaccounts", {"name": "other", "namespace": "default", "subresource": "token"}, False),
    ("create", "nodes", {}, True),
    ("get", "nodes", {"name": "n1"}, True),
    ("patch", "nodes", {"name": "n1", "subresource": "status"}, True),
    ("patch", "nodes", {"name": "n2", "subresource": "status"}, False),
    ("delete", "nodes", {"name": "n1"}, False),
    ("watch", "pods", {"field_selector": "spec.nodeName=n1"}, True),
    ("list", "pods", {"field_selector": "spec.nodeName=n2"}, False),
    ("list", "pods", {}, False),
    ("patch", "pods", {"name": "mine", "namespace": "default", "subresource": "status"}, True),
    ("patch", "pods", {"name": "theirs", "namespace": "default", "subresource": "status"}, False),
    ("patch", "pods", {"name": "gone", "namespace": "default", "subresource": "status"}, True),
    ("delete", "pods", {"name": "mine", "namespace": "default"}, True),
    ("update", "pods", {"name": "mine", "namespace": "default"}, False),
    ("update", "leases", {"group": "coordination.k8s.io", "name": "n1", "namespace": "kube-node-lease"}, True),
    ("update", "leases", {"group": "coordination.k8s.io", "name": "n2", "namespace": "kube-node-lease"}, False),
    ("update", "leases", {"group": "coordination.k8s.io", "name": "n1", "namespace": "default"}, False),
    ("create", "certificatesigningrequests", {"group": "certificates.k8s.io"}, True),
    ("list", "services", {}, True),
    ("create", "events", {"namespace": "default"}, True),
    ("create", "deployments", {"group": "apps", "namespace": "default"}, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "resource", "more", "allowed"), NODE_CASES, ids=[f"{c[0]} {c[1]} {c[2]}" for c in NODE_CASES]
)
def test_nodes(verb: str, resource: str, more: dict[str, str], allowed: bool) -> None:
    mine = pod(
        "mine",
        "n1",
        serviceAccountName="robot",
        containers=[{"name": "c", "envFrom": [{"configMapRef": {"name": "settings"}}]}],
        volumes=[
            {"name": "s", "secret": {"secretName": "wanted"}},
            {"name": "p", "projected": {"sources": [{"configMap": {"name": "projected"}}]}},
            {"name": "d", "persistentVolumeClaim": {"claimName": "data"}},
        ],
    )
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {"volumeName": "volume"},
    }
    caches = MemoryCaches(mine, pod("theirs", "n2"), claim)
    assert chain(caches).authorize(ask(NODE, verb, resource, **more)).allowed is allowed


def test_a_node_loses_what_its_last_pod_referred_to() -> None:
    volumes = [{"name": "s", "secret": {"secretName": "wanted"}}]
    first, second = pod("first", "n1", volumes=volumes), pod("second", "", volumes=volumes)
    caches = MemoryCaches(first, second)
    authorizer = chain(caches)
    question = ask(NODE, "get", "secrets", namespace="default", name="wanted")
    assert authorizer.authorize(question).allowed
    caches.put(pod("second", "n1", volumes=volumes))
    caches.remove(first)
    assert authorizer.authorize(question).allowed
    caches.remove(second)
    assert not authorizer.authorize(question).allowed


def test_the_default_roles_let_the_components_and_nobody_else_do_their_work() -> None:
    authorizer = chain(MemoryCaches(*defaults()))
    everybody = ("system:authenticated",)
    scheduler = UserInfo("system:kube-scheduler", everybody)
    manager = UserInfo("system:kube-controller-manager", everybody)
    anonymous = UserInfo("system:anonymous", ("system:unauthenticated",))
    joining = UserInfo("system:bootstrap:abc", ("system:bootstrappers:kubeadm:default-node-token", *everybody))
    allowed = [
        ask(scheduler, "create", "pods", subresource="binding", namespace="a", name="p"),
        ask(scheduler, "watch", "nodes"),
        ask(manager, "create", "pods", namespace="a"),
        ask(manager, "update", "replicasets", group="apps", subresource="status", namespace="a", name="r"),
        ask(manager, "watch", "widgets", group="example.com"),
        ask(joining, "create", "certificatesigningrequests", group="certificates.k8s.io"),
        ask(joining, "get", "nodes", name="n"),
        ask(anonymous, "get", "configmaps", namespace="kube-public", name="cluster-info"),
        Attributes(user=anonymous, verb="get", path="/version"),
        Attributes(user=ALICE, verb="get", path="/apis/apps/v1"),
        ask(ALICE, "create", "selfsubjectaccessreviews", group="authorization.k8s.io"),
    ]
    refused = [
        ask(scheduler, "delete", "nodes", name="n"),
        ask(manager, "create", "clusterroles", group="rbac.authorization.k8s.io"),
        ask(joining, "list", "secrets", namespace="kube-system"),
        ask(anonymous, "list", "pods"),
        Attributes(user=anonymous, verb="get", path="/apis"),
        Attributes(user=ALICE, verb="get", path="/metrics"),
        ask(ALICE, "list", "pods", namespace="default"),
    ]
    for question in allowed:
        assert authorizer.authorize(question).allowed, question
    for question in refused:
        assert not authorizer.authorize(question).allowed, question
