"""The rbac.authorization.k8s.io group: roles and who has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.resources.columns import groups as columns
from apiserver.resources.defaults import rbac as defaults
from apiserver.resources.rows import built_in
from apiserver.resources.rules import Rules
from apiserver.resources.validation import rbac as validation
from machinery.errors import FieldError
from machinery.objects.names import is_path_segment

_V1 = "rbac.authorization.k8s.io/v1"

_Check = Callable[[dict[str, Any]], list[FieldError]]


def _role(validate: _Check) -> Rules:
    return Rules(status=False, generation=False, create_on_update=True, name=is_path_segment, validate=validate)


def _binding(validate: _Check) -> Rules:
    return Rules(
        status=False,
        generation=False,
        create_on_update=True,
        name=is_path_segment,
        default=defaults.binding,
        validate=validate,
        update=validation.binding_update,
    )


ROWS = (
    built_in(
        _V1,
        "ClusterRoleBinding",
        "clusterrolebindings",
        namespaced=False,
        columns=columns.BINDING,
        strategy=_binding(validation.cluster_role_binding),
    ),
    built_in(
        _V1,
        "ClusterRole",
        "clusterroles",
        namespaced=False,
        columns=columns.PLAIN,
        strategy=_role(validation.cluster_role),
    ),
    built_in(_V1, "RoleBinding", "rolebindings", columns=columns.BINDING, strategy=_binding(validation.role_binding)),
    built_in(_V1, "Role", "roles", columns=columns.PLAIN, strategy=_role(validation.role)),
)
