"""Where a pod may run: affinity, tolerations, spreading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.validation.checks import Errors, indexed, label_selector, one_of, set_operator, text
from machinery.errors import FieldError
from machinery.objects.names import is_dns_label, is_label_key, is_label_value

Object = Mapping[str, Any]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def affinity(path: str, value: Object) -> Errors:
    """Affinity to nodes and to other pods, and anti-affinity."""
    errors: Errors = []
    if (node := value.get("nodeAffinity")) is not None:
        errors += _node_affinity(f"{path}.nodeAffinity", node)
    for key in ("podAffinity", "podAntiAffinity"):
        part = value.get(key) or {}
        for at, term in indexed(f"{path}.{key}.{_REQUIRED}", part.get(_REQUIRED)):
            errors += _pod_term(at, term)
        for at, weighted in indexed(f"{path}.{key}.{_PREFERRED}", part.get(_PREFERRED)):
            errors += _weight(at, weighted)
            errors += _pod_term(f"{at}.podAffinityTerm", weighted.get("podAffinityTerm") or {})
    return errors


def node_selector(path: str, selector: Object) -> Errors:
    """A NodeSelector: terms of which one must match."""
    terms = selector.get("nodeSelectorTerms")
    if not terms:
        return [FieldError.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")]
    listed = indexed(f"{path}.nodeSelectorTerms", terms)
    return [error for at, term in listed for error in _node_term(at, term, strict=True)]


def _node_affinity(path: str, value: Object) -> Errors:
    errors: Errors = []
    if (must := value.get(_REQUIRED)) is not None:
        errors += node_selector(f"{path}.{_REQUIRED}", must)
    for at, weighted in indexed(f"{path}.{_PREFERRED}", value.get(_PREFERRED)):
        errors += _weight(at, weighted)
        errors += _node_term(f"{at}.preference", weighted.get("preference") or {}, strict=False)
    return errors


def _weight(path: str, weighted: Object) -> Errors:
    weight = weighted.get("weight") or 0
    return [] if 1 <= weight <= 100 else [FieldError.invalid(f"{path}.weight", weight, "must be in the range 1-100")]


def _node_term(path: str, term: Object, *, strict: bool) -> Errors:
    """One term. strict: values must be such as labels have; a preference for others just never comes true."""
    errors: Errors = []
    for at, requirement in indexed(f"{path}.matchExpressions", term.get("matchExpressions")):
        operator, values = requirement.get("operator") or "", requirement.get("values") or []
        if operator in ("Gt", "Lt"):
            if len(values) != 1:
                needed = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                errors.append(FieldError.required(f"{at}.values", needed))
        else:
            errors += set_operator(at, operator, values)
        errors += text(f"{at}.key", requirement.get("key"), is_label_key)
        if strict:
            for value_at, value in indexed(f"{at}.values", values):
                errors += text(value_at, value, is_label_value)
    for at, requirement in indexed(f"{path}.matchFields", term.get("matchFields")):
        operator, values, key = (
            requirement.get("operator") or "",
            requirement.get("values") or [],
            requirement.get("key"),
        )
        if operator not in ("In", "NotIn"):
            errors.append(FieldError.invalid(f"{at}.operator", operator, "not a valid selector operator"))
        elif len(values) != 1:
            errors.append(
                FieldError.required(
                    f"{at}.values", "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
                )
            )
        if key != "metadata.name":
            errors.append(FieldError.invalid(f"{at}.key", key or "", "not a valid field selector key"))
    return errors


def _pod_term(path: str, term: Object) -> Errors:
    errors = label_selector(f"{path}.labelSelector", term.get("labelSelector"))
    errors += label_selector(f"{path}.namespaceSelector", term.get("namespaceSelector"))
    for name in term.get("namespaces") or []:
        errors += text(f"{path}.namespace", name, is_dns_label)
    key = term.get("topologyKey")
    if not key:
        errors.append(FieldError.required(f"{path}.topologyKey", "can not be empty"))
    return errors + text(f"{path}.topologyKey", key, is_label_key)


def tolerations(path: str, listed: list[Object] | None) -> Errors:
    """What taints a pod bears with."""
    errors: Errors = []
    for at, each in indexed(path, listed):
        key, operator, value = each.get("key") or "", each.get("operator") or "", each.get("value") or ""
        if key:
            errors += text(f"{at}.key", key, is_label_key)
        elif operator != "Exists":
            errors.append(
                FieldError.invalid(
                    f"{at}.operator",
                    operator,
                    'operator must be Exists when `key` is empty, which means "match all values and all keys"',
                )
            )
        if each.get("tolerationSeconds") is not None and each.get("effect") != "NoExecute":
            errors.append(
                FieldError.invalid(
                    f"{at}.effect",
                    each.get("effect") or "",
                    "effect must be 'NoExecute' when `tolerationSeconds` is set",
                )
            )
        if operator in ("", "Equal"):
            errors += [FieldError.invalid(f"{at}.operator", value, problem) for problem in is_label_value(value)]
        elif operator == "Exists":
            if value:
                errors.append(
                    FieldError.invalid(f"{at}.operator", each, "value must be empty when `operator` is 'Exists'")
                )
        else:
            errors.append(FieldError.not_supported(f"{at}.operator", operator, ("Equal", "Exists")))
        errors += one_of(f"{at}.effect", each.get("effect"), _EFFECTS, optional=True)
    return errors


def spread(path: str, constraints: list[Object]) -> Errors:
    """Topology spread constraints."""
    errors: Errors = []
    seen: set[tuple[Any, Any]] = set()
    for at, each in indexed(path, constraints):
        skew = each.get("maxSkew") or 0
        if skew <= 0:
            errors.append(FieldError.invalid(f"{at}.maxSkew", skew, "must be greater than zero"))
        key = each.get("topologyKey")
        if not key:
            errors.append(FieldError.required(f"{at}.topologyKey", "can not be empty"))
        action = each.get("whenUnsatisfiable")
        errors += one_of(f"{at}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway"))
        if (key, action) in seen:
            errors.append(FieldError.duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}"))
        seen.add((key, action))
        if (domains := each.get("minDomains")) is not None:
            if domains <= 0:
                errors.append(FieldError.invalid(f"{at}.minDomains", domains, "must be greater than zero"))
            if action != "DoNotSchedule":
                errors.append(
                    FieldError.invalid(
                        f"{at}.minDomains",
                        domains,
                        f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}",
                    )
                )
        errors += label_selector(f"{at}.labelSelector", each.get("labelSelector"))
    return errors
