"""The default bindings, and the namespaced roles: leader election, authentication readers, bootstrap tokens.

The `kubeadm:` bindings are what `kubeadm init` writes so that a host can join with a bootstrap token: it asks for a
certificate, the approver grants it, and the node may renew it later.

Every controller's role is bound to its service account, as upstream, and to the controller manager's own user: ours
runs its loops under one identity, for which upstream asks exactly this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apiserver.auth.bootstrap.controller_roles import CONTROLLERS, PREFIX
from apiserver.auth.bootstrap.notation import EVENTS, READ, Object, binding, cluster_binding, cluster_role, role

_MANAGER = "user:system:kube-controller-manager"
_SCHEDULER = "user:system:kube-scheduler"
_EVERYBODY = ("group:system:authenticated", "group:system:unauthenticated")
_JOINING = "group:system:bootstrappers:kubeadm:default-node-token"

_CLUSTER: Mapping[str, Sequence[str]] = {
    "cluster-admin": ("group:system:masters",),
    "system:monitoring": ("group:system:monitoring",),
    "system:discovery": ("group:system:authenticated",),
    "system:basic-user": ("group:system:authenticated",),
    "system:public-info-viewer": _EVERYBODY,
    "system:node-proxier": ("user:system:kube-proxy",),
    "system:kube-controller-manager": (_MANAGER,),
    "system:kube-dns": ("account:kube-system/kube-dns",),
    "system:kube-scheduler": (_SCHEDULER,),
    "system:volume-scheduler": (_SCHEDULER,),
    "system:node": (),
    "system:service-account-issuer-discovery": ("group:system:serviceaccounts",),
    "system:cluster-trust-bundle-discovery": ("group:system:serviceaccounts",),
}
"""A ClusterRole -> who has it everywhere, by a ClusterRoleBinding of the same name."""

_JOIN: Mapping[str, tuple[str, Sequence[str]]] = {
    "kubeadm:cluster-admins": ("cluster-admin", ("group:kubeadm:cluster-admins",)),
    "kubeadm:get-nodes": ("kubeadm:get-nodes", (_JOINING,)),
    "kubeadm:kubelet-bootstrap": ("system:node-bootstrapper", (_JOINING,)),
    "kubeadm:node-autoapprove-bootstrap": (
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        (_JOINING,),
    ),
    "kubeadm:node-autoapprove-certificate-rotation": (
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        ("group:system:nodes",),
    ),
    "kubeadm:node-proxier": ("system:node-proxier", ("account:kube-system/kube-proxy", "group:system:nodes")),
}
"""A ClusterRoleBinding -> its ClusterRole and subjects."""

_LEADER = "system::leader-locking-"

_NAMESPACED: Sequence[tuple[str, str, Sequence[str]]] = (
    (
        "kube-system",
        "extension-apiserver-authentication-reader",
        (f"{READ} | core | configmaps | extension-apiserver-authentication",),
    ),
    ("kube-system", "system:controller:bootstrap-signer", (f"{READ} | core | secrets",)),
    ("kube-system", "system:controller:cloud-provider", (f"create {READ} | core | configmaps",)),
    ("kube-system", "system:controller:token-cleaner", (f"delete {READ} | core | secrets", EVENTS)),
    (
        "kube-system",
        f"{_LEADER}kube-controller-manager",
        (
            "watch | core | configmaps",
            "get update | core | configmaps | kube-controller-manager",
            f"create {READ} update | coordination.k8s.io | leases",
        ),
    ),
    (
        "kube-system",
        f"{_LEADER}kube-scheduler",
        ("watch | core | configmaps", "get update | core | configmaps | kube-scheduler"),
    ),
    ("kube-system", "kubeadm:nodes-kubeadm-config", ("get | core | configmaps | kubeadm-config",)),
    ("kube-system", "kubeadm:kubelet-config", ("get | core | configmaps | kubelet-config",)),
    (
        "kube-public",
        "system:controller:bootstrap-signer",
        (f"{READ} | core | configmaps", "update | core | configmaps | cluster-info", EVENTS),
    ),
    ("kube-public", "kubeadm:bootstrap-signer-clusterinfo", ("get | core | configmaps | cluster-info",)),
)
"""Namespace, Role, rules."""

_NAMESPACED_BINDINGS: Sequence[tuple[str, str, str, Sequence[str]]] = (
    (
        "kube-system",
        "system::extension-apiserver-authentication-reader",
        "extension-apiserver-authentication-reader",
        (_MANAGER, _SCHEDULER),
    ),
    (
        "kube-system",
        f"{_LEADER}kube-controller-manager",
        f"{_LEADER}kube-controller-manager",
        (_MANAGER, "account:kube-system/kube-controller-manager"),
    ),
    (
        "kube-system",
        f"{_LEADER}kube-scheduler",
        f"{_LEADER}kube-scheduler",
        (_SCHEDULER, "account:kube-system/kube-scheduler"),
    ),
    *(
        (namespace, f"{PREFIX}{name}", f"{PREFIX}{name}", (f"account:kube-system/{name}", _MANAGER))
        for namespace, name in (
            ("kube-system", "bootstrap-signer"),
            ("kube-system", "cloud-provider"),
            ("kube-system", "token-cleaner"),
            ("kube-public", "bootstrap-signer"),
        )
    ),
    ("kube-system", "kubeadm:nodes-kubeadm-config", "kubeadm:nodes-kubeadm-config", ("group:system:nodes", _JOINING)),
    ("kube-system", "kubeadm:kubelet-config", "kubeadm:kubelet-config", ("group:system:nodes", _JOINING)),
    (
        "kube-public",
        "kubeadm:bootstrap-signer-clusterinfo",
        "kubeadm:bootstrap-signer-clusterinfo",
        ("user:system:anonymous",),
    ),
)
"""Namespace, RoleBinding, Role, subjects."""


def join_roles() -> list[Object]:
    """ClusterRoles that only joining hosts need."""
    return [cluster_role("kubeadm:get-nodes", ("get | core | nodes",))]


def cluster_role_bindings() -> list[Object]:
    bindings = [cluster_binding(name, name, subjects) for name, subjects in _CLUSTER.items()]
    bindings += [cluster_binding(name, role, subjects) for name, (role, subjects) in _JOIN.items()]
    bindings += [
        cluster_binding(PREFIX + name, PREFIX + name, (f"account:kube-system/{name}", _MANAGER)) for name in CONTROLLERS
    ]
    return bindings


def roles() -> list[Object]:
    return [role(namespace, name, lines) for namespace, name, lines in _NAMESPACED]


def role_bindings() -> list[Object]:
    return [binding(*row) for row in _NAMESPACED_BINDINGS]
