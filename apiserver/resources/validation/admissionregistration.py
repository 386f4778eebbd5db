"""The admissionregistration.k8s.io group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.validation.checks import Errors, indexed, label_selector, one_of, port_number, required
from machinery.errors import FieldError
from machinery.objects.names import is_dns_subdomain

Object = dict[str, Any]

_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_REVIEWS = ("v1", "v1beta1")
_DNS_NAMES = "should be a domain with at least three segments separated by dots"


def validating_webhooks(obj: Object) -> Errors:
    return _webhooks(obj, mutating=False)


def mutating_webhooks(obj: Object) -> Errors:
    return _webhooks(obj, mutating=True)


def admission_policy(obj: Object) -> Errors:
    """A ValidatingAdmissionPolicy: something to match, and something to say of it."""
    spec = obj.get("spec") or {}
    errors = _failure_policy("spec.failurePolicy", spec)
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        message = "validations or auditAnnotations must be non-empty. spec must have at least one of them"
        errors.append(FieldError.required("spec.validations", message))
    for at, each in indexed("spec.validations", spec.get("validations")):
        errors += required(f"{at}.expression", (each.get("expression") or "").strip())
    for at, each in indexed("spec.variables", spec.get("variables")):
        errors += required(f"{at}.name", each.get("name")) + required(f"{at}.expression", each.get("expression"))
    return errors + _constraints("spec.matchConstraints", spec.get("matchConstraints"))


def mutating_policy(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors = _failure_policy("spec.failurePolicy", spec)
    errors += required("spec.mutations", spec.get("mutations"))
    for at, each in indexed("spec.mutations", spec.get("mutations")):
        errors += one_of(f"{at}.patchType", each.get("patchType"), ("ApplyConfiguration", "JSONPatch"))
    errors += one_of("spec.reinvocationPolicy", spec.get("reinvocationPolicy"), ("IfNeeded", "Never"))
    return errors + _constraints("spec.matchConstraints", spec.get("matchConstraints"))


def admission_policy_binding(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors = required("spec.policyName", spec.get("policyName"), is_dns_subdomain)
    actions = spec.get("validationActions") or []
    if not actions:
        errors.append(FieldError.required("spec.validationActions", "at least one validation action is required"))
    for at, action in indexed("spec.validationActions", actions):
        errors += one_of(at, action, ("Audit", "Deny", "Warn"))
    if {"Deny", "Warn"} <= set(actions):
        errors.append(
            FieldError.invalid(
                "spec.validationActions",
                actions,
                "must not contain both Deny and Warn (repeating the same validation"
                " failure information in the API response and headers serves no purpose)",
            )
        )
    return errors


def mutating_policy_binding(obj: Object) -> Errors:
    return required("spec.policyName", (obj.get("spec") or {}).get("policyName"), is_dns_subdomain)


def _webhooks(obj: Object, *, mutating: bool) -> Errors:
    errors: Errors = []
    names: set[str] = set()
    for at, webhook in indexed("webhooks", obj.get("webhooks")):
        errors += _webhook(at, webhook)
        if mutating:
            errors += one_of(f"{at}.reinvocationPolicy", webhook.get("reinvocationPolicy"), ("IfNeeded", "Never"))
        name = webhook.get("name") or ""
        if name in names:
            errors.append(FieldError.duplicate(f"{at}.name", name))
        names.add(name)
    return errors


def _webhook(path: str, webhook: Mapping[str, Any]) -> Errors:
    name = webhook.get("name") or ""
    errors: Errors = []
    if not name:
        errors.append(FieldError.required(f"{path}.name"))
    elif problems := is_dns_subdomain(name):
        errors += [FieldError.invalid(f"{path}.name", name, problem) for problem in problems]
    elif len(name.split(".")) < 3:
        errors.append(FieldError.invalid(f"{path}.name", name, _DNS_NAMES))
    for at, rule in indexed(f"{path}.rules", webhook.get("rules")):
        errors += _rule(at, rule)
    errors += _failure_policy(f"{path}.failurePolicy", webhook)
    errors += one_of(f"{path}.matchPolicy", webhook.get("matchPolicy"), ("Equivalent", "Exact"), optional=True)
    effects = webhook.get("sideEffects")
    if not effects:
        errors.append(FieldError.required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun"))
    else:
        errors += one_of(f"{path}.sideEffects", effects, ("None", "NoneOnDryRun"))
    seconds = webhook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        errors.append(
            FieldError.invalid(f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds")
        )
    errors += label_selector(f"{path}.namespaceSelector", webhook.get("namespaceSelector"))
    errors += label_selector(f"{path}.objectSelector", webhook.get("objectSelector"))
    errors += client_config(f"{path}.clientConfig", webhook.get("clientConfig") or {})
    versions = webhook.get("admissionReviewVersions") or []
    at = f"{path}.admissionReviewVersions"
    if not versions:
        errors.append(FieldError.required(at, "must specify one of v1, v1beta1"))
    elif not set(versions) & set(_REVIEWS):
        errors.append(FieldError.invalid(at, versions, "must include at least one of v1, v1beta1"))
    return errors


def client_config(path: str, config: Mapping[str, Any]) -> Errors:
    """Where a webhook is: a URL or a service, one of them."""
    url, service = config.get("url"), config.get("service")
    if url is not None and service is None:
        if url.startswith("https://"):
            return []
        scheme = url.partition("://")[0] if "://" in url else ""
        message = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
        return [FieldError.invalid(f"{path}.url", scheme, message)]
    if service is None or url is not None:
        return [FieldError.required(path, "exactly one of url or service is required")]
    errors = required(f"{path}.service.name", service.get("name"))
    errors += required(f"{path}.service.namespace", service.get("namespace"))
    errors += port_number(f"{path}.service.port", service.get("port", 443))
    where = service.get("path")
    if where is not None and not where.startswith("/"):
        errors.append(FieldError.invalid(f"{path}.service.path", where, "must start with a '/'"))
    return errors


def _rule(path: str, rule: Mapping[str, Any]) -> Errors:
    errors: Errors = []
    for key in ("apiGroups", "apiVersions", "resources"):
        values = rule.get(key) or []
        at = f"{path}.{key}"
        if not values:
            errors.append(FieldError.required(at))
        elif key != "resources" and "*" in values and len(values) > 1:
            errors.append(
                FieldError.invalid(at, values, "if '*' is present, must not specify other API " + key[3:].lower())
            )
    operations = rule.get("operations") or []
    if not operations:
        errors.append(FieldError.required(f"{path}.operations"))
    elif "*" in operations and len(operations) > 1:
        message = "if '*' is present, must not specify other operations"
        errors.append(FieldError.invalid(f"{path}.operations", operations, message))
    for at, operation in indexed(f"{path}.operations", operations):
        errors += one_of(at, operation, _OPERATIONS)
    return errors + one_of(f"{path}.scope", rule.get("scope"), _SCOPES, optional=True)


def _failure_policy(path: str, holder: Mapping[str, Any]) -> Errors:
    return one_of(path, holder.get("failurePolicy"), ("Fail", "Ignore"), optional=True)


def _constraints(path: str, constraints: Mapping[str, Any] | None) -> Errors:
    if constraints is None:
        return [FieldError.required(path)]
    errors: Errors = []
    if not constraints.get("resourceRules"):
        errors.append(FieldError.required(f"{path}.resourceRules"))
    for at, rule in indexed(f"{path}.resourceRules", constraints.get("resourceRules")):
        errors += _rule(at, rule)
    errors += label_selector(f"{path}.namespaceSelector", constraints.get("namespaceSelector"))
    return errors + label_selector(f"{path}.objectSelector", constraints.get("objectSelector"))
