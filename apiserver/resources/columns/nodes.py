"""What `kubectl get nodes` shows."""

from __future__ import annotations

from typing import Any

from apiserver.resources.columns.build import AGE, NAME, NONE, UNKNOWN, at, text, wide
from machinery.objects import conditions, meta

Object = dict[str, Any]

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE = "kubernetes.io/role"


def status(node: Object) -> str:
    """Ready, NotReady or Unknown, and whether it takes no new pods."""
    ready = conditions.status_of(node, "Ready")
    word = "Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if (node.get("spec") or {}).get("unschedulable") else word


def roles(node: Object) -> str:
    """The roles that labels give a node."""
    found = set()
    for key, value in meta.labels(node).items():
        if key.startswith(_ROLE_PREFIX):
            found.add(key.removeprefix(_ROLE_PREFIX))
        elif key == _ROLE:
            found.add(value)
    return ",".join(sorted(role for role in found if role)) or NONE


def _address(node: Object, kind: str) -> str:
    listed = (node.get("status") or {}).get("addresses") or []
    return next((str(each.get("address")) for each in listed if each.get("type") == kind), NONE)


COLUMNS = (
    NAME,
    text("Status", "The status of the node", status),
    text("Roles", "The roles of the node", roles),
    AGE,
    text("Version", "The version of the node's agent.", at("status", "nodeInfo", "kubeletVersion")),
    wide("Internal-IP", "The node's address inside the cluster.", lambda node: _address(node, "InternalIP")),
    wide("External-IP", "The node's address outside the cluster.", lambda node: _address(node, "ExternalIP")),
    wide("OS-Image", "The node's operating system.", lambda o: at("status", "nodeInfo", "osImage")(o) or UNKNOWN),
    wide("Kernel-Version", "The node's kernel.", lambda o: at("status", "nodeInfo", "kernelVersion")(o) or UNKNOWN),
    wide(
        "Container-Runtime",
        "The node's container runtime and its version.",
        lambda o: at("status", "nodeInfo", "containerRuntimeVersion")(o) or UNKNOWN,
    ),
)
