"""Pods as they are created, and the templates that other kinds make them of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.validation import affinity, containers, volumes
from apiserver.resources.validation.checks import (
    ID_RANGE,
    MAX_INT32,
    Errors,
    indexed,
    ip,
    labels,
    one_of,
    quantity,
    text,
)
from apiserver.resources.validation.metadata import annotation_map
from machinery.errors import FieldError
from machinery.objects.names import is_dns_label, is_dns_subdomain, is_label_key

Object = dict[str, Any]

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")


def pod_create(obj: Object) -> Errors:
    """A new pod."""
    errors = pod(obj)
    if obj["spec"].get("nodeName") and obj["spec"].get("schedulingGates"):
        message = "cannot be set until all schedulingGates have been cleared"
        errors.append(FieldError.forbidden("spec.nodeName", message))
    if obj["spec"].get("ephemeralContainers"):
        errors.append(FieldError.forbidden("spec.ephemeralContainers", "cannot be set on create"))
    return errors


def pod(obj: Object) -> Errors:
    """A pod, new or changed, its metadata aside."""
    spec = obj.get("spec") or {}
    errors = pod_spec("spec", spec)
    if not spec.get("serviceAccountName"):
        errors += _tokens_without_account(spec)
    for key in ("containers", "initContainers"):
        for at, container in indexed(f"spec.{key}", spec.get(key)):
            image = container.get("image") or ""
            if image != image.strip():
                errors.append(FieldError.invalid(f"{at}.image", image, "must not have leading or trailing whitespace"))
    return errors


def _tokens_without_account(spec: Mapping[str, Any]) -> Errors:
    return [
        FieldError.forbidden(
            f"{source_at}.serviceAccountToken", "must not be specified when serviceAccountName is not set"
        )
        for at, volume in indexed("spec.volumes", spec.get("volumes"))
        for source_at, source in indexed(f"{at}.projected.sources", (volume.get("projected") or {}).get("sources"))
        if source.get("serviceAccountToken") is not None
    ]


def template(path: str, obj: Mapping[str, Any]) -> Errors:
    """A PodTemplateSpec."""
    metadata = obj.get("metadata") or {}
    errors = labels(f"{path}.labels", metadata.get("labels"))
    errors += annotation_map(f"{path}.annotations", metadata.get("annotations"))
    spec = obj.get("spec") or {}
    errors += pod_spec(f"{path}.spec", spec)
    if spec.get("ephemeralContainers"):
        errors.append(
            FieldError.forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")
        )
    return errors


def pod_spec(path: str, spec: Mapping[str, Any]) -> Errors:
    """A pod's spec, wherever it stands."""
    known, errors = volumes.volumes(f"{path}.volumes", spec.get("volumes"))
    errors += containers.containers(path, spec, known)
    errors += one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), RESTART_POLICIES)
    errors += one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), DNS_POLICIES)
    errors += labels(f"{path}.nodeSelector", spec.get("nodeSelector"))
    errors += _security(f"{path}.securityContext", spec.get("securityContext") or {})
    if spec.get("affinity"):
        errors += affinity.affinity(f"{path}.affinity", spec["affinity"])
    errors += _dns(path, spec)
    for at, gate in indexed(f"{path}.readinessGates", spec.get("readinessGates")):
        errors += text(f"{at}.conditionType", gate.get("conditionType"), is_label_key)
    errors += _gates(f"{path}.schedulingGates", spec.get("schedulingGates") or [])
    errors += affinity.spread(f"{path}.topologySpreadConstraints", spec.get("topologySpreadConstraints") or [])
    errors += _names(path, spec)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= MAX_INT32:
        errors.append(
            FieldError.invalid(
                f"{path}.activeDeadlineSeconds", deadline, f"must be between 1 and {MAX_INT32}, inclusive"
            )
        )
    errors += affinity.tolerations(f"{path}.tolerations", spec.get("tolerations"))
    for at, alias in indexed(f"{path}.hostAliases", spec.get("hostAliases")):
        errors += ip(f"{at}.ip", alias.get("ip") or "")
        for name_at, name in indexed(f"{at}.hostnames", alias.get("hostnames")):
            errors += text(name_at, name, is_dns_subdomain)
    errors += one_of(
        f"{path}.preemptionPolicy",
        spec.get("preemptionPolicy"),
        ("Never", "PreemptLowerPriority"),
        optional=True,
    )
    for resource, amount in (spec.get("overhead") or {}).items():
        errors += quantity(f"{path}.overhead[{resource}]", amount)[1]
    return errors


def _security(path: str, context: Mapping[str, Any]) -> Errors:
    errors: Errors = []
    for key in ("runAsUser", "runAsGroup", "fsGroup"):
        value = context.get(key)
        if value is not None and not 0 <= value <= MAX_INT32:
            errors.append(FieldError.invalid(f"{path}.{key}", value, ID_RANGE))
    for at, group in indexed(f"{path}.supplementalGroups", context.get("supplementalGroups")):
        if not 0 <= group <= MAX_INT32:
            errors.append(FieldError.invalid(at, group, ID_RANGE))
    errors += one_of(
        f"{path}.fsGroupChangePolicy",
        context.get("fsGroupChangePolicy"),
        ("Always", "OnRootMismatch"),
        optional=True,
    )
    return errors + containers.seccomp(f"{path}.seccompProfile", context.get("seccompProfile"))


def _dns(path: str, spec: Mapping[str, Any]) -> Errors:
    config = spec.get("dnsConfig") or {}
    errors: Errors = []
    if spec.get("dnsPolicy") == "None":
        if not config:
            return [FieldError.required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            errors.append(
                FieldError.required(
                    f"{path}.dnsConfig.nameservers",
                    "must provide at least one DNS nameserver when `dnsPolicy` is None",
                )
            )
    servers = config.get("nameservers") or []
    if len(servers) > 3:
        errors.append(
            FieldError.invalid(f"{path}.dnsConfig.nameservers", servers, "must not have more than 3 nameservers")
        )
    for at, server in indexed(f"{path}.dnsConfig.nameservers", servers):
        errors += ip(at, server)
    for at, option in indexed(f"{path}.dnsConfig.options", config.get("options")):
        if not option.get("name"):
            errors.append(FieldError.required(at, "must not be empty"))
    return errors


def _gates(path: str, gates: list[Object]) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for at, gate in indexed(path, gates):
        name = gate.get("name") or ""
        errors += text(at, name, is_label_key)
        if name in seen:
            errors.append(FieldError.duplicate(at, name))
        seen.add(name)
    return errors


def _names(path: str, spec: Mapping[str, Any]) -> Errors:
    errors: Errors = []
    for key, check in (
        ("serviceAccountName", is_dns_subdomain),
        ("nodeName", is_dns_subdomain),
        ("hostname", is_dns_label),
        ("subdomain", is_dns_label),
        ("priorityClassName", is_dns_subdomain),
        ("runtimeClassName", is_dns_subdomain),
    ):
        if value := spec.get(key):
            errors += text(f"{path}.{key}", value, check)
    return errors
