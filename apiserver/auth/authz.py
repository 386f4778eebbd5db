"""The order of the authorizers, and what a refusal says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from apiserver.auth.api import MASTERS, Attributes, Caches, Decision
from apiserver.auth.config import AuthConfig
from apiserver.auth.node import NodeAuthorizer, node_name
from apiserver.auth.rbac import RbacPolicy
from apiserver.verbs.context import UserInfo
from machinery.errors import Forbidden, forbidden
from machinery.objects.gvk import GVR

Object = dict[str, Any]


class Step(Protocol):
    """One authorizer: allows, denies for good, or has no opinion (neither allowed nor denied)."""

    def authorize(self, attributes: Attributes) -> Decision: ...


class Masters:
    """system:masters may everything, so that no role or binding can lock the last administrator out."""

    def authorize(self, attributes: Attributes) -> Decision:
        return Decision(allowed=MASTERS in attributes.user.groups)


class Everything:
    """AlwaysAllow."""

    def authorize(self, attributes: Attributes) -> Decision:
        return Decision(allowed=True)


class AuthorizerChain:
    """Asks its authorizers in order; the first that allows or denies decides. Implements `api.Authorizer`."""

    def __init__(self, steps: Sequence[Step], *, policy: RbacPolicy) -> None:
        self._steps = tuple(steps)
        self._policy = policy

    def authorize(self, attributes: Attributes) -> Decision:
        reasons = []
        for step in self._steps:
            decision = step.authorize(attributes)
            if decision.allowed or decision.denied:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(allowed=False, reason=", ".join(reasons))

    def rules(self, user: UserInfo, namespace: str) -> tuple[Sequence[Object], Sequence[Object]]:
        """(resourceRules, nonResourceRules); a node's own rights are not rules and not among them."""
        found, _ = self._policy.rules_of(user, namespace)
        return _split(found)

    def unresolved(self, user: UserInfo, namespace: str) -> str:
        """Why `rules` may not be all of it: "" when it is."""
        if node_name(user):
            return "node authorizer does not support user rule resolution"
        _, absent = self._policy.rules_of(user, namespace)
        return ", ".join(absent)


def build_authorizer(config: AuthConfig, *, policy: RbacPolicy, caches: Caches) -> AuthorizerChain:
    """Masters, nodes, RBAC; or everybody when the configuration says so."""
    steps: list[Step] = [Masters(), NodeAuthorizer(caches), policy] if config.authorize else [Everything()]
    return AuthorizerChain(steps, policy=policy)


def refusal(attributes: Attributes, decision: Decision) -> Forbidden:
    """The 403 for a request that was not allowed, in upstream's words."""
    who = f'User "{attributes.user.name}" cannot {attributes.verb}'
    reason = f": {decision.reason}" if decision.reason else ""
    if not attributes.resource:
        return Forbidden(f'forbidden: {who} path "{attributes.path}"{reason}', details={})
    whole = f"{attributes.resource}/{attributes.subresource}" if attributes.subresource else attributes.resource
    where = f'in the namespace "{attributes.namespace}"' if attributes.namespace else "at the cluster scope"
    resource = GVR(attributes.group, attributes.version, attributes.resource)
    return forbidden(
        resource, attributes.name, f'{who} resource "{whole}" in API group "{attributes.group}" {where}{reason}'
    )


def _split(found: Iterable[Mapping[str, Any]]) -> tuple[list[Object], list[Object]]:
    resources: list[Object] = []
    paths: list[Object] = []
    for rule in found:
        verbs = list(rule.get("verbs") or ())
        if rule.get("resources"):
            entry: Object = {
                "verbs": verbs,
                "apiGroups": list(rule.get("apiGroups") or ()),
                "resources": list(rule["resources"]),
            }
            if rule.get("resourceNames"):
                entry["resourceNames"] = list(rule["resourceNames"])
            resources.append(entry)
        if rule.get("nonResourceURLs"):
            paths.append({"verbs": verbs, "nonResourceURLs": list(rule["nonResourceURLs"])})
    return resources, paths
