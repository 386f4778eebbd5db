"""Nobody grants what they do not have.

Rules after kube-apiserver's `registry/rbac/*/policybased`: who writes a role must hold each of its rules, or the verb
`escalate` on it; who writes a binding must hold what the role grants, or the verb `bind` on the role.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apiserver.auth.api import MASTERS, Attributes, Authorizer
from apiserver.auth.rbac import CLUSTER_ROLES, GROUP, ROLES, RbacPolicy
from apiserver.auth.rules import Atom, compile_rule, covers, describe, missing, quoted
from apiserver.verbs.context import RequestContext
from machinery.errors import Forbidden, forbidden, not_found

Object = dict[str, Any]

_ROOT = (Atom("*", "*", "*", "", ""), Atom("*", "", "", "", "*"))


class RbacGuard:
    """Implements `api.PrivilegeGuard`."""

    def __init__(self, policy: RbacPolicy, authorizer: Authorizer) -> None:
        self._policy = policy
        self._authorizer = authorizer

    def check(self, context: RequestContext, obj: Object, old: Object | None) -> None:
        if context.spec.gvr.group != GROUP or MASTERS in context.user.groups:
            return
        match context.spec.gvr.resource:
            case "roles" | "clusterroles":
                self._check_role(context, obj, old)
            case "rolebindings" | "clusterrolebindings":
                self._check_binding(context, obj, old)

    def _check_role(self, context: RequestContext, obj: Object, old: Object | None) -> None:
        if old is not None and all(old.get(key) == obj.get(key) for key in ("rules", "aggregationRule")):
            return
        name = obj["metadata"].get("name", "")
        if self._may(context, "escalate", context.spec.gvr.resource, name, context.namespace):
            return
        if obj.get("aggregationRule") and not self._is_root(context):
            raise forbidden(context.spec.gvr, name, "must have cluster-admin privileges to use the aggregationRule")
        self._check_rules(context, name, obj.get("rules") or ())

    def _check_binding(self, context: RequestContext, obj: Object, old: Object | None) -> None:
        if old is not None and all(old.get(key) == obj.get(key) for key in ("roleRef", "subjects")):
            return
        ref = obj.get("roleRef") or {}
        role, namespace = (ROLES, context.namespace) if ref.get("kind") == "Role" else (CLUSTER_ROLES, "")
        name = ref.get("name", "")
        if self._may(context, "bind", role.resource, name, context.namespace):
            return
        wanted = self._policy.role_rules(namespace, name)
        if wanted is None:
            raise not_found(role, name)
        self._check_rules(context, obj["metadata"].get("name", ""), wanted)

    def _check_rules(self, context: RequestContext, name: str, wanted: Iterable[Mapping[str, Any]]) -> None:
        held, absent = self._policy.rules_of(context.user, context.namespace)
        lacking = missing([compile_rule(rule) for rule in held], wanted)
        if lacking:
            raise self._refusal(context, name, lacking, absent)

    def _refusal(self, context: RequestContext, name: str, lacking: list[Object], absent: list[str]) -> Forbidden:
        said = "\n".join(sorted(describe(rule) for rule in lacking))
        unresolved = f"; resolution errors: {quoted(absent)}" if absent else ""
        return forbidden(
            context.spec.gvr,
            name,
            f'user "{context.user.name}" (groups={quoted(context.user.groups)}) is attempting to grant RBAC '
            f"permissions not currently held:\n{said}{unresolved}",
        )

    def _is_root(self, context: RequestContext) -> bool:
        held, _ = self._policy.rules_of(context.user, "")
        rules = [compile_rule(rule) for rule in held]
        return all(covers(rules, atom) for atom in _ROOT)

    def _may(self, context: RequestContext, verb: str, resource: str, name: str, namespace: str) -> bool:
        attributes = Attributes(
            user=context.user,
            verb=verb,
            group=GROUP,
            version="v1",
            resource=resource,
            namespace=namespace,
            name=name,
        )
        return self._authorizer.authorize(attributes).allowed
