"""The rbac.authorization.k8s.io group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.validation.checks import Errors, indexed, label_selector, one_of, required, text
from machinery.errors import FieldError
from machinery.objects.names import is_dns_subdomain, is_path_segment

Object = dict[str, Any]

_GROUP = "rbac.authorization.k8s.io"


def role(obj: Object) -> Errors:
    return _rules(obj, namespaced=True)


def cluster_role(obj: Object) -> Errors:
    errors = _rules(obj, namespaced=False)
    if (aggregation := obj.get("aggregationRule")) is not None:
        selectors = aggregation.get("clusterRoleSelectors")
        at = "aggregationRule.clusterRoleSelectors"
        if not selectors:
            errors.append(
                FieldError.required(at, "at least one clusterRoleSelector required if aggregationRule is non-nil")
            )
        for selector_at, selector in indexed(at, selectors):
            errors += label_selector(selector_at, selector)
    return errors


def role_binding(obj: Object) -> Errors:
    return _binding(obj, namespaced=True)


def cluster_role_binding(obj: Object) -> Errors:
    return _binding(obj, namespaced=False)


def binding_update(obj: Object, old: Object) -> Errors:
    """Who has a role changes; which role it is does not, for that could raise rights unseen."""
    if obj.get("roleRef") != old.get("roleRef"):
        return [FieldError.invalid("roleRef", obj.get("roleRef"), "cannot change roleRef")]
    return []


def _rules(obj: Object, *, namespaced: bool) -> Errors:
    errors: Errors = []
    for at, rule in indexed("rules", obj.get("rules")):
        if not rule.get("verbs"):
            errors.append(FieldError.required(f"{at}.verbs", "verbs must contain at least one value"))
        if urls := rule.get("nonResourceURLs"):
            field = f"{at}.nonResourceURLs"
            if namespaced:
                errors.append(FieldError.invalid(field, urls, "namespaced rules cannot apply to non-resource URLs"))
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                errors.append(
                    FieldError.invalid(
                        field, urls, "rules cannot apply to both regular resources and non-resource URLs"
                    )
                )
            continue
        if not rule.get("apiGroups"):
            errors.append(FieldError.required(f"{at}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            errors.append(FieldError.required(f"{at}.resources", "resource rules must supply at least one resource"))
    return errors


def _binding(obj: Object, *, namespaced: bool) -> Errors:
    reference = obj.get("roleRef") or {}
    errors: Errors = []
    if reference.get("apiGroup") != _GROUP:
        errors.append(FieldError.not_supported("roleRef.apiGroup", reference.get("apiGroup") or "", (_GROUP,)))
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if reference.get("kind") not in kinds:
        errors.append(FieldError.not_supported("roleRef.kind", reference.get("kind") or "", kinds))
    errors += required("roleRef.name", reference.get("name"), is_path_segment)
    for at, subject in indexed("subjects", obj.get("subjects")):
        errors += _subject(at, subject, namespaced=namespaced)
    return errors


def _subject(path: str, subject: Object, *, namespaced: bool) -> Errors:
    errors = required(f"{path}.name", subject.get("name"))
    kind, group = subject.get("kind") or "", subject.get("apiGroup") or ""
    match kind:
        case "ServiceAccount":
            if subject.get("name"):
                errors += text(f"{path}.name", subject["name"], is_dns_subdomain)
            if group:
                errors.append(FieldError.not_supported(f"{path}.apiGroup", group, ("",)))
            if not subject.get("namespace") and not namespaced:
                errors.append(FieldError.required(f"{path}.namespace"))
        case "User" | "Group":
            errors += one_of(f"{path}.apiGroup", group, (_GROUP,))
        case _:
            errors.append(FieldError.not_supported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group")))
    return errors
