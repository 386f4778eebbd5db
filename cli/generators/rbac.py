"""`create role`, `create clusterrole` and their bindings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.errors import UsageError
from cli.flags import Flag, Kind, Parsed
from cli.generators.generator import Generator, Object, new, pairs
from machinery.objects.gvk import GVR

if TYPE_CHECKING:
    from cli.context import Session

_RBAC = "rbac.authorization.k8s.io"


async def _served(session: Session, flags: Parsed) -> None:
    """The resources as the server names them, with their group: a rule about `deploy` would grant nothing.

    Raises CliError for one that is not served."""
    mapper = await session.mapper()
    found = []
    for text in flags["resource"]:
        name, slash, subresource = text.partition("/")
        if not name.startswith("*"):
            resource = mapper.find(name)
            name = ".".join(part for part in (resource.gvr.resource, resource.gvr.group) if part)
        found.append(f"{name}{slash}{subresource}")
    flags.values["resource"] = found


def _rules(flags: Parsed) -> list[Object]:
    verbs = flags["verb"]
    if not verbs:
        raise UsageError("at least one verb must be specified")
    by_group: dict[str, list[str]] = {}
    for text in flags["resource"]:
        full, slash, subresource = text.partition("/")
        resource, _, group = full.partition(".")
        by_group.setdefault(group, []).append(f"{resource}{slash}{subresource}")
    names = {"resourceNames": flags["resource-name"]} if flags["resource-name"] else {}
    rules = [
        {"apiGroups": [group], "resources": found, "verbs": verbs, **names} for group, found in sorted(by_group.items())
    ]
    if flags.values.get("non-resource-url"):
        rules.append({"nonResourceURLs": flags["non-resource-url"], "verbs": verbs})
    if not rules:
        raise UsageError("at least one resource must be specified")
    return rules


def _role(name: str, flags: Parsed) -> Object:
    return new("rbac.authorization.k8s.io/v1", "Role", name, rules=_rules(flags))


def _cluster_role(name: str, flags: Parsed) -> Object:
    if not flags["aggregation-rule"]:
        return new("rbac.authorization.k8s.io/v1", "ClusterRole", name, rules=_rules(flags))
    if flags["verb"] or flags["resource"] or flags["resource-name"] or flags["non-resource-url"]:
        raise UsageError(
            "aggregation rule must be specified without nonResourceURLs, resources, resourceNames or verbs"
        )
    selectors = [{"matchLabels": pairs(flags["aggregation-rule"])}]
    rule = {"clusterRoleSelectors": selectors}
    return new("rbac.authorization.k8s.io/v1", "ClusterRole", name, aggregationRule=rule, rules=[])


def _binding(name: str, flags: Parsed, kind: str) -> Object:
    role, cluster_role = flags.values.get("role", ""), flags["clusterrole"]
    if kind == "ClusterRoleBinding" and not cluster_role:
        raise UsageError('required flag(s) "clusterrole" not set')
    if bool(role) == bool(cluster_role):
        raise UsageError("exactly one of clusterrole or role must be specified")
    subjects: list[Object] = []
    for what, names in (("User", flags["user"]), ("Group", flags["group"])):
        subjects += [{"kind": what, "apiGroup": "rbac.authorization.k8s.io", "name": each} for each in names]
    for text in flags["serviceaccount"]:
        namespace, colon, account = text.partition(":")
        if not colon or not account:
            raise UsageError("serviceaccount must be <namespace>:<name>")
        subjects.append({"kind": "ServiceAccount", "namespace": namespace, "name": account})
    ref = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole" if cluster_role else "Role",
        "name": cluster_role or role,
    }
    return new("rbac.authorization.k8s.io/v1", kind, name, subjects=subjects, roleRef=ref)


_RULES = (
    Flag("verb", "Verb that applies to the resources contained in the rule", kind=Kind.LIST, default=[]),
    Flag("resource", "Resource that the rule applies to", kind=Kind.LIST, default=[]),
    Flag("resource-name", "Resource in the white list that the rule applies to", kind=Kind.ARRAY, default=[]),
)
_SUBJECTS = (
    Flag("clusterrole", "ClusterRole this binding should reference"),
    Flag("user", "Usernames to bind", kind=Kind.ARRAY, default=[]),
    Flag("group", "Groups to bind", kind=Kind.ARRAY, default=[]),
    Flag("serviceaccount", "Service accounts to bind, as <namespace>:<name>", kind=Kind.ARRAY, default=[]),
)

GENERATORS = {
    "role": Generator(GVR(_RBAC, "v1", "roles"), "role NAME --verb=verb --resource=resource.group", "Create a role", "",
                      _role, _RULES, prepare=_served),
    "clusterrole": Generator(
        GVR(_RBAC, "v1", "clusterroles"), "clusterrole NAME --verb=verb --resource=resource.group",
        "Create a cluster role", "", _cluster_role,
        (
            *_RULES,
            Flag("non-resource-url", "A URL that users may access.", kind=Kind.LIST, default=[]),
            Flag("aggregation-rule", "Labels of the ClusterRoles to combine, key=value", kind=Kind.LIST, default=[]),
        ),
        namespaced=False, prepare=_served,
    ),
    "rolebinding": Generator(
        GVR(_RBAC, "v1", "rolebindings"), "rolebinding NAME --clusterrole=NAME|--role=NAME [--user=username]",
        "Create a role binding", "rolebinding", lambda name, flags: _binding(name, flags, "RoleBinding"),
        (*_SUBJECTS, Flag("role", "Role this RoleBinding should reference")),
    ),
    "clusterrolebinding": Generator(
        GVR(_RBAC, "v1", "clusterrolebindings"), "clusterrolebinding NAME --clusterrole=NAME [--user=username]",
        "Create a cluster role binding", "clusterrolebinding",
        lambda name, flags: _binding(name, flags, "ClusterRoleBinding"), _SUBJECTS,
        namespaced=False,
    ),
}  # fmt: skip
