"""The rbac.authorization.k8s.io group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.defaults.fill import fill, items, section

Object = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"


def binding(obj: Object) -> None:
    """A RoleBinding or ClusterRoleBinding."""
    fill(section(obj, "roleRef"), "apiGroup", GROUP)
    for subject in items(obj, "subjects"):
        if subject.get("kind") in ("User", "Group"):
            fill(subject, "apiGroup", GROUP)
