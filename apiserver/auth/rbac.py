"""RBAC: roles and bindings, indexed by who they concern, kept current by the watch caches.

A decision looks up the bindings of the user and of each of their groups, cluster-wide and in the one namespace, and
stops at the first rule that grants the request. Nothing is computed when a role changes but its compiled rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.auth.api import Attributes, Caches, Decision
from apiserver.auth.rules import Rule, compile_rules
from apiserver.verbs.context import UserInfo
from machinery.objects.gvk import GVR

Object = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
ROLES = GVR(GROUP, "v1", "roles")
ROLE_BINDINGS = GVR(GROUP, "v1", "rolebindings")
CLUSTER_ROLES = GVR(GROUP, "v1", "clusterroles")
CLUSTER_ROLE_BINDINGS = GVR(GROUP, "v1", "clusterrolebindings")


@dataclass(frozen=True, slots=True)
class Grant:
    """One subject of one binding. namespace: the binding's; "" for a ClusterRoleBinding. role: (namespace, name) of
    the role; namespace "" for a ClusterRole. why: the sentence an allowing decision gives as its reason."""

    namespace: str
    role: tuple[str, str]
    why: str


Key = tuple[str, str]
"""(namespace, `user:NAME` or `group:NAME`); namespace "" for everywhere."""


class RbacPolicy:
    """What every user and group may, by the roles and bindings of one server."""

    def __init__(self, caches: Caches) -> None:
        self._rules: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._sources: dict[tuple[str, str], Sequence[Mapping[str, Any]]] = {}
        self._grants: dict[Key, dict[tuple[str, str], Grant]] = {}
        self._subjects: dict[tuple[str, str], tuple[Key, ...]] = {}
        caches.subscribe(CLUSTER_ROLES, self.role_changed)
        caches.subscribe(ROLES, self.role_changed)
        caches.subscribe(CLUSTER_ROLE_BINDINGS, self.binding_changed)
        caches.subscribe(ROLE_BINDINGS, self.binding_changed)

    def role_changed(self, event: str, obj: Object) -> None:
        """Take in a Role or ClusterRole."""
        metadata = obj["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        if event == "DELETED":
            self._rules.pop(key, None)
            self._sources.pop(key, None)
        else:
            self._rules[key] = compile_rules(obj)
            self._sources[key] = obj.get("rules") or ()

    def binding_changed(self, event: str, obj: Object) -> None:
        """Take in a RoleBinding or ClusterRoleBinding."""
        metadata = obj["metadata"]
        namespace = metadata.get("namespace", "")
        binding = (namespace, metadata["name"])
        for key in self._subjects.pop(binding, ()):
            grants = self._grants[key]
            grants.pop(binding, None)
            if not grants:
                del self._grants[key]
        if event == "DELETED":
            return
        keys = []
        for subject in obj.get("subjects") or ():
            key = (namespace, _who(subject, namespace))
            self._grants.setdefault(key, {})[binding] = _grant(obj, subject)
            keys.append(key)
        self._subjects[binding] = tuple(dict.fromkeys(keys))

    def authorize(self, attributes: Attributes) -> Decision:
        """Allowed by the first rule that grants it, else no opinion, with the roles that are bound and do not exist."""
        absent: list[str] = []
        for grant in self._grants_of(attributes.user, attributes.namespace):
            rules = self._rules.get(grant.role)
            if rules is None:
                absent.append(_absent(grant.role))
                continue
            for rule in rules:
                if attributes.resource:
                    allowed = rule.allows_resource(
                        attributes.verb,
                        attributes.group,
                        attributes.resource,
                        attributes.subresource,
                        attributes.name,
                    )
                else:
                    # Paths are granted cluster-wide only.
                    allowed = not grant.namespace and rule.allows_path(attributes.verb, attributes.path)
                if allowed:
                    return Decision(allowed=True, reason=f"RBAC: allowed by {grant.why}")
        if not absent:
            return Decision(allowed=False)
        unique = list(dict.fromkeys(absent))
        said = unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
        return Decision(allowed=False, reason=f"RBAC: {said}")

    def rules_of(self, user: UserInfo, namespace: str) -> tuple[list[Mapping[str, Any]], list[str]]:
        """(the PolicyRules that `user` has in a namespace and everywhere, the roles that are bound and not there)."""
        found: list[Mapping[str, Any]] = []
        absent: list[str] = []
        for grant in self._grants_of(user, namespace):
            source = self._sources.get(grant.role)
            if source is None:
                absent.append(_absent(grant.role))
            else:
                found += source
        return found, list(dict.fromkeys(absent))

    def role_rules(self, namespace: str, name: str) -> Sequence[Mapping[str, Any]] | None:
        """The rules of a Role, or with namespace "" of a ClusterRole; None when there is no such role."""
        return self._sources.get((namespace, name))

    def _grants_of(self, user: UserInfo, namespace: str) -> Iterator[Grant]:
        for place in ("", namespace) if namespace else ("",):
            for who in (f"user:{user.name}", *(f"group:{group}" for group in user.groups)):
                grants = self._grants.get((place, who))
                if grants:
                    yield from grants.values()


def _who(subject: Mapping[str, Any], namespace: str) -> str:
    """The user or group a subject means; a service account is the user it signs in as."""
    name = subject.get("name", "")
    match subject.get("kind"):
        case "User":
            return f"user:{name}"
        case "ServiceAccount":
            return f"user:system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
    return f"group:{name}"


def _grant(binding: Mapping[str, Any], subject: Mapping[str, Any]) -> Grant:
    metadata, ref = binding["metadata"], binding["roleRef"]
    namespace = metadata.get("namespace", "")
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    name = f"{metadata['name']}/{namespace}" if namespace else metadata["name"]
    who = subject.get("name", "")
    if subject.get("kind") == "ServiceAccount":
        who = f"{who}/{subject.get('namespace') or namespace}"
    return Grant(
        namespace,
        (namespace if ref["kind"] == "Role" else "", ref["name"]),
        f'{kind} "{name}" of {ref["kind"]} "{ref["name"]}" to {subject.get("kind")} "{who}"',
    )


def _absent(role: tuple[str, str]) -> str:
    kind = "role" if role[0] else "clusterrole"
    return f'{kind}.{GROUP} "{role[1]}" not found'
