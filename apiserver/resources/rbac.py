"""The rbac.authorization.k8s.io group: roles and who has them."""

from __future__ import annotations

from apiserver.resources.rows import built_in
from apiserver.resources.rules import Rules
from machinery.objects.names import is_path_segment

_V1 = "rbac.authorization.k8s.io/v1"


def _rules() -> Rules:
    return Rules(status=False, generation=False, create_on_update=True, name=is_path_segment)


ROWS = (
    built_in(_V1, "ClusterRoleBinding", "clusterrolebindings", namespaced=False, strategy=_rules()),
    built_in(_V1, "ClusterRole", "clusterroles", namespaced=False, strategy=_rules()),
    built_in(_V1, "RoleBinding", "rolebindings", strategy=_rules()),
    built_in(_V1, "Role", "roles", strategy=_rules()),
)
