"""The notation the default roles are written in: one line per rule, `verbs | groups | resources | names`.

Words are separated by spaces; the core group is `core`; `names` may be left out. A rule for paths has two parts:
`verbs | paths`. `EVENTS` and the verb sets below stand for what they name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Object = dict[str, Any]

API_GROUP = "rbac.authorization.k8s.io"
API_VERSION = "rbac.authorization.k8s.io/v1"
BOOTSTRAPPING = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"

READ = "get list watch"
WRITE = "create delete deletecollection patch update"
EVENTS = "create patch update | core events.k8s.io | events"


def rule(line: str) -> Object:
    """The PolicyRule of one line. Raises ValueError for a line of another shape."""
    parts = [part.split() for part in line.split("|")]
    match parts:
        case [verbs, paths]:
            return {"nonResourceURLs": paths, "verbs": verbs}
        case [verbs, groups, resources]:
            return {"apiGroups": _groups(groups), "resources": resources, "verbs": verbs}
        case [verbs, groups, resources, names]:
            return {"apiGroups": _groups(groups), "resources": resources, "resourceNames": names, "verbs": verbs}
    raise ValueError(f"not a rule: {line}")


def rules(lines: Sequence[str]) -> list[Object]:
    return [rule(line) for line in lines]


def _groups(words: Sequence[str]) -> list[str]:
    return ["" if word == "core" else word for word in words]


def metadata(
    name: str, *, namespace: str = "", labels: Mapping[str, str] | None = None, default: bool = True
) -> Object:
    """Metadata of a bootstrap object; `default` ones are kept up to date by the server as upstream's are."""
    result: Object = {"name": name}
    if namespace:
        result["namespace"] = namespace
    if default:
        result["annotations"] = {AUTOUPDATE: "true"}
        result["labels"] = {**BOOTSTRAPPING, **(labels or {})}
    return result


def cluster_role(name: str, lines: Sequence[str], *, labels: Mapping[str, str] | None = None) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": "ClusterRole",
        "metadata": metadata(name, labels=labels),
        "rules": rules(lines),
    }


def role(namespace: str, name: str, lines: Sequence[str]) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": "Role",
        "metadata": metadata(name, namespace=namespace),
        "rules": rules(lines),
    }


def subjects(words: Sequence[str]) -> list[Object]:
    """Subjects of the words `group:NAME`, `user:NAME` and `account:NAMESPACE/NAME`."""
    result: list[Object] = []
    for word in words:
        kind, _, name = word.partition(":")
        if kind == "account":
            namespace, _, account = name.partition("/")
            result.append({"kind": "ServiceAccount", "name": account, "namespace": namespace})
        else:
            result.append({"apiGroup": API_GROUP, "kind": kind.capitalize(), "name": name})
    return result


def cluster_binding(name: str, role: str, words: Sequence[str]) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": "ClusterRoleBinding",
        "metadata": metadata(name),
        "roleRef": {"apiGroup": API_GROUP, "kind": "ClusterRole", "name": role},
        "subjects": subjects(words),
    }


def binding(namespace: str, name: str, role: str, words: Sequence[str]) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": "RoleBinding",
        "metadata": metadata(name, namespace=namespace),
        "roleRef": {"apiGroup": API_GROUP, "kind": "Role", "name": role},
        "subjects": subjects(words),
    }
