"""The Node authorizer: a node may read what the pods on it refer to, and write what is its own.

Rules after kube-apiserver's `plugin/pkg/auth/authorizer/node`. The index holds, per node, how many of its pods refer to
each object; a pod's references are taken once, when it is first seen on its node (a pod's spec does not change them,
but for its ephemeral containers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from apiserver.auth.api import Attributes, Caches, Decision
from apiserver.auth.bootstrap.cluster_roles import NODE_RULES
from apiserver.auth.bootstrap.notation import rules
from apiserver.auth.rules import Rule, compile_rule
from apiserver.verbs.context import UserInfo
from machinery.objects.gvk import GVR

Object = dict[str, Any]

NODES_GROUP = "system:nodes"
NODE_USER = "system:node:"
PODS = GVR("", "v1", "pods")
CLAIMS = GVR("", "v1", "persistentvolumeclaims")
ATTACHMENTS = GVR("storage.k8s.io", "v1", "volumeattachments")
LEASE_NAMESPACE = "kube-node-lease"

_NO_OPINION = Decision(allowed=False)
_ALLOWED = Decision(allowed=True)


class Reference(NamedTuple):
    """An object that a pod needs: resource, namespace, name."""

    resource: str
    namespace: str
    name: str


def node_name(user: UserInfo) -> str:
    """The node that a user is; "" when it is none."""
    if NODES_GROUP not in user.groups or not user.name.startswith(NODE_USER):
        return ""
    return user.name[len(NODE_USER) :]


class NodeAuthorizer:
    """Decides for users that are nodes; has no opinion on anybody else."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._references: dict[str, Counter[Reference]] = {}
        self._pods: dict[tuple[str, str], tuple[str, int, frozenset[Reference]]] = {}
        self._rules = tuple(compile_rule(rule) for rule in rules(NODE_RULES))
        self._special: Mapping[tuple[str, str], Callable[[str, Attributes], Decision]] = {
            ("", "secrets"): self._referenced,
            ("", "configmaps"): self._referenced,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._volume,
            ("", "serviceaccounts"): self._account,
            ("", "nodes"): self._node,
            ("", "pods"): self._pod,
            ("coordination.k8s.io", "leases"): self._lease,
            ("storage.k8s.io", "csinodes"): self._own_name,
            ("storage.k8s.io", "volumeattachments"): self._attachment,
        }
        caches.subscribe(PODS, self.pod_changed)

    def pod_changed(self, event: str, pod: Object) -> None:
        """Take in a pod."""
        key = (pod["metadata"].get("namespace", ""), pod["metadata"]["name"])
        spec = pod.get("spec") or {}
        node = "" if event == "DELETED" else spec.get("nodeName", "")
        ephemeral = len(spec.get("ephemeralContainers") or ())
        known = self._pods.get(key)
        if known is not None:
            if known[:2] == (node, ephemeral):
                return
            del self._pods[key]
            self._references[known[0]].subtract(known[2])
            # Drops the counts that came to nothing.
            self._references[known[0]] = +self._references[known[0]]
        if node:
            found = frozenset(references(key[0], spec))
            self._pods[key] = (node, ephemeral, found)
            self._references.setdefault(node, Counter()).update(found)

    def authorize(self, attributes: Attributes) -> Decision:
        node = node_name(attributes.user)
        if not node:
            return _NO_OPINION
        special = self._special.get((attributes.group, attributes.resource))
        if special is not None:
            return special(node, attributes)
        return _ALLOWED if self._granted(attributes, self._rules) else _NO_OPINION

    def _granted(self, attributes: Attributes, held: tuple[Rule, ...]) -> bool:
        if not attributes.resource:
            return False
        return any(
            rule.allows_resource(
                attributes.verb, attributes.group, attributes.resource, attributes.subresource, attributes.name
            )
            for rule in held
        )

    def _refers(self, node: str, reference: Reference) -> bool:
        found = self._references.get(node)
        return found is not None and reference in found

    def _referenced(self, node: str, attributes: Attributes) -> Decision:
        kind = attributes.resource.removesuffix("s")
        if attributes.verb not in ("get", "list", "watch"):
            return _no(f"can only read {attributes.resource} of this type")
        name = attributes.name or _selected(attributes, "metadata.name")
        if not name or attributes.subresource:
            return _no(f"cannot list all {attributes.resource}: name the {kind}")
        if self._refers(node, Reference(attributes.resource, attributes.namespace, name)):
            return _ALLOWED
        return _no(f"no relationship found between node '{node}' and this object")

    def _claim(self, node: str, attributes: Attributes) -> Decision:
        reference = Reference("persistentvolumeclaims", attributes.namespace, attributes.name)
        verbs = ("get", "patch", "update") if attributes.subresource == "status" else ("get",)
        if attributes.verb not in verbs or attributes.subresource not in ("", "status"):
            return _no(f"can only {' or '.join(verbs)} individual resources of this type")
        return _ALLOWED if self._refers(node, reference) else _unrelated(node)

    def _volume(self, node: str, attributes: Attributes) -> Decision:
        if attributes.verb != "get" or attributes.subresource:
            return _no("can only get individual resources of this type")
        for reference in self._references.get(node, ()):
            if reference.resource == "persistentvolumeclaims":
                claim = self._caches.get(CLAIMS, reference.namespace, reference.name)
                if claim is not None and (claim.get("spec") or {}).get("volumeName") == attributes.name:
                    return _ALLOWED
        return _unrelated(node)

    def _account(self, node: str, attributes: Attributes) -> Decision:
        wanted = (attributes.verb, attributes.subresource)
        if wanted not in (("create", "token"), ("get", "")):
            return _no("can only create tokens for individual service accounts")
        reference = Reference("serviceaccounts", attributes.namespace, attributes.name)
        return _ALLOWED if self._refers(node, reference) else _unrelated(node)

    def _attachment(self, node: str, attributes: Attributes) -> Decision:
        if attributes.verb != "get" or attributes.subresource:
            return _no("can only get individual resources of this type")
        attachment = self._caches.get(ATTACHMENTS, "", attributes.name)
        if attachment is not None and (attachment.get("spec") or {}).get("nodeName") == node:
            return _ALLOWED
        return _unrelated(node)

    def _node(self, node: str, attributes: Attributes) -> Decision:
        if attributes.verb in ("list", "watch"):
            name = attributes.name or _selected(attributes, "metadata.name")
            return _ALLOWED if name == node else _no(f"node '{node}' cannot read all nodes, only its own Node object")
        if attributes.verb == "create" and not attributes.name:
            return _ALLOWED
        if attributes.name != node:
            return _no(f"node '{node}' cannot {attributes.verb} node '{attributes.name}', only its own Node object")
        return _ALLOWED if self._granted(attributes, self._rules) else _NO_OPINION

    def _pod(self, node: str, attributes: Attributes) -> Decision:
        if attributes.verb in ("list", "watch"):
            if _selected(attributes, "spec.nodeName") == node:
                return _ALLOWED
            if not attributes.name:
                return _no(f"can only list/watch pods with spec.nodeName field selector set to '{node}'")
        if not self._granted(attributes, self._rules):
            return _NO_OPINION
        if attributes.verb == "create" and not attributes.subresource:
            return _ALLOWED
        pod = self._pods.get((attributes.namespace, attributes.name))
        # One that is not there, or no longer, is for the verb to say.
        if pod is None and self._caches.get(PODS, attributes.namespace, attributes.name) is None:
            return _ALLOWED
        if pod is not None and pod[0] == node:
            return _ALLOWED
        return _no(f"node '{node}' can only {attributes.verb} pods with spec.nodeName set to itself")

    def _lease(self, node: str, attributes: Attributes) -> Decision:
        if attributes.namespace != LEASE_NAMESPACE:
            return _no(f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
        return self._own_name(node, attributes)

    def _own_name(self, node: str, attributes: Attributes) -> Decision:
        if not self._granted(attributes, self._rules):
            return _no("can only get, create, update, patch, or delete a node lease or CSINode of its own")
        # The name of a new object is in its body.
        if attributes.verb != "create" and attributes.name != node:
            return _no(f"can only access node lease or CSINode with the same name as the requesting node '{node}'")
        return _ALLOWED


def references(namespace: str, spec: Mapping[str, Any]) -> Iterator[Reference]:
    """What a pod's spec names: its account, secrets, config maps and claims."""
    yield Reference("serviceaccounts", namespace, spec.get("serviceAccountName") or "default")
    for secret in spec.get("imagePullSecrets") or ():
        yield Reference("secrets", namespace, secret.get("name", ""))
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            yield from _of_container(namespace, container)
    for volume in spec.get("volumes") or ():
        yield from _of_volume(namespace, volume)


def _of_container(namespace: str, container: Mapping[str, Any]) -> Iterator[Reference]:
    for source in container.get("envFrom") or ():
        if "secretRef" in source:
            yield Reference("secrets", namespace, source["secretRef"].get("name", ""))
        if "configMapRef" in source:
            yield Reference("configmaps", namespace, source["configMapRef"].get("name", ""))
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        if "secretKeyRef" in source:
            yield Reference("secrets", namespace, source["secretKeyRef"].get("name", ""))
        if "configMapKeyRef" in source:
            yield Reference("configmaps", namespace, source["configMapKeyRef"].get("name", ""))


def _of_volume(namespace: str, volume: Mapping[str, Any]) -> Iterator[Reference]:
    if "secret" in volume:
        yield Reference("secrets", namespace, volume["secret"].get("secretName", ""))
    if "configMap" in volume:
        yield Reference("configmaps", namespace, volume["configMap"].get("name", ""))
    if "persistentVolumeClaim" in volume:
        yield Reference("persistentvolumeclaims", namespace, volume["persistentVolumeClaim"].get("claimName", ""))
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "secret" in source:
            yield Reference("secrets", namespace, source["secret"].get("name", ""))
        if "configMap" in source:
            yield Reference("configmaps", namespace, source["configMap"].get("name", ""))
    for driver in volume.values():
        # Every volume driver that takes credentials names them alike.
        if isinstance(driver, dict):
            for field in ("secretRef", "nodePublishSecretRef"):
                if isinstance(driver.get(field), dict):
                    yield Reference("secrets", namespace, driver[field].get("name", ""))


def _selected(attributes: Attributes, field: str) -> str:
    """The value that the field selector demands of a field by equality; "" when it does not."""
    for part in attributes.field_selector.split(","):
        name, equals, value = part.partition("=")
        if equals and name == field:
            return value.removeprefix("=")
    return ""


def _no(reason: str) -> Decision:
    return Decision(allowed=False, reason=reason)


def _unrelated(node: str) -> Decision:
    return _no(f"no relationship found between node '{node}' and this object")
