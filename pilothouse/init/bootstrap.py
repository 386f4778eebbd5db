"""Phase `bootstrap-token`: what lets other hosts join.

A token, the public description of the cluster (ConfigMap kube-public/cluster-info, readable by anybody, as kubeadm's),
and the bindings that allow whoever has a token to ask for a node's certificate and get it approved.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from machinery import manifest
from machinery.client.api import Client, Object
from machinery.client.resources import CONFIG_MAPS
from machinery.errors import AlreadyExists
from machinery.objects.gvk import GVR
from pilothouse.init import kubeconfigs, tokens
from pilothouse.init.settings import InitSettings

RBAC = "rbac.authorization.k8s.io"
ROLES = GVR(RBAC, "v1", "roles")
ROLE_BINDINGS = GVR(RBAC, "v1", "rolebindings")
CLUSTER_ROLES = GVR(RBAC, "v1", "clusterroles")
CLUSTER_ROLE_BINDINGS = GVR(RBAC, "v1", "clusterrolebindings")
PUBLIC = "kube-public"
CLUSTER_INFO = "cluster-info"
_SIGNERS = "system:certificates.k8s.io:certificatesigningrequests"

BINDINGS = {
    "kubeadm:get-nodes": ("kubeadm:get-nodes", tokens.GROUP),
    "kubeadm:kubelet-bootstrap": ("system:node-bootstrapper", tokens.GROUP),
    "kubeadm:node-autoapprove-bootstrap": (f"{_SIGNERS}:nodeclient", tokens.GROUP),
    "kubeadm:node-autoapprove-certificate-rotation": (f"{_SIGNERS}:selfnodeclient", "system:nodes"),
}


async def run(client: Client, settings: InitSettings, *, now: datetime, say: Callable[[str], None]) -> tokens.Token:
    """Create all of it, and a token when none was named. Raises ApiError, InitError."""
    token = await tokens.create(client, settings.token or tokens.generate(), ttl=settings.token_ttl, now=now)
    say(f"Using bootstrap token {token.id}.****************")
    await _ensure(
        client,
        ROLES,
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "Role",
            "metadata": {"name": "kubeadm:bootstrap-signer-clusterinfo", "namespace": PUBLIC},
            "rules": [
                {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [CLUSTER_INFO], "verbs": ["get"]}
            ],
        },
    )
    await _ensure(
        client,
        ROLE_BINDINGS,
        {
            **_binding("RoleBinding", "kubeadm:bootstrap-signer-clusterinfo", "Role", "User", "system:anonymous"),
            "metadata": {"name": "kubeadm:bootstrap-signer-clusterinfo", "namespace": PUBLIC},
        },
    )
    get_nodes = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]
    await _ensure(
        client,
        CLUSTER_ROLES,
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "kubeadm:get-nodes"},
            "rules": get_nodes,
        },
    )
    for name, (role, group) in BINDINGS.items():
        binding = _binding("ClusterRoleBinding", role, "ClusterRole", "Group", group)
        await _ensure(client, CLUSTER_ROLE_BINDINGS, {**binding, "metadata": {"name": name}})
    say("Configured RBAC rules to allow nodes to join with the token")
    # Last: who finds it there knows that all of this is.
    info = kubeconfigs.entry(settings, "admin").document()
    public: dict[str, Any] = {**info, "users": [], "contexts": [], "current-context": ""}
    public["clusters"] = [{"name": "", "cluster": info["clusters"][0]["cluster"]}]
    await _ensure(
        client,
        CONFIG_MAPS,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CLUSTER_INFO, "namespace": PUBLIC},
            "data": {"kubeconfig": manifest.dump(public)},
        },
    )
    return token


async def _ensure(client: Client, resource: GVR, obj: Object) -> None:
    try:
        await client.create(resource, obj, namespace=obj["metadata"].get("namespace", ""))
    except AlreadyExists:
        await client.update(resource, obj)


def _binding(kind: str, role: str, role_kind: str, subject: str, name: str) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": role},
        "subjects": [{"kind": subject, "apiGroup": RBAC, "name": name}],
    }
