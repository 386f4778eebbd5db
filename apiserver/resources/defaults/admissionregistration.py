"""The admissionregistration.k8s.io group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.defaults.fill import fill, items, section

Object = dict[str, Any]


def validating_webhooks(obj: Object) -> None:
    for webhook in items(obj, "webhooks"):
        _webhook(webhook)


def mutating_webhooks(obj: Object) -> None:
    for webhook in items(obj, "webhooks"):
        _webhook(webhook)
        fill(webhook, "reinvocationPolicy", "Never")


def admission_policy(obj: Object) -> None:
    """A ValidatingAdmissionPolicy or MutatingAdmissionPolicy."""
    spec = section(obj, "spec")
    fill(spec, "failurePolicy", "Fail")
    if (constraints := spec.get("matchConstraints")) is not None:
        _match(constraints)


def admission_policy_binding(obj: Object) -> None:
    if (resources := section(obj, "spec").get("matchResources")) is not None:
        _match(resources)


def _webhook(webhook: Object) -> None:
    fill(webhook, "failurePolicy", "Fail")
    fill(webhook, "timeoutSeconds", 10)
    _match(webhook)
    for rule in items(webhook, "rules"):
        fill(rule, "scope", "*")
    if (service := (webhook.get("clientConfig") or {}).get("service")) is not None:
        fill(service, "port", 443)


def _match(resources: Object) -> None:
    fill(resources, "matchPolicy", "Equivalent")
    section(resources, "namespaceSelector")
    section(resources, "objectSelector")
    for rule in (*items(resources, "resourceRules"), *items(resources, "excludeResourceRules")):
        fill(rule, "scope", "*")
