"""Environment variables of a container, and the references that give them values."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from apiserver.resources.validation.checks import Errors, indexed, required, text
from machinery.errors import FieldError
from machinery.objects.names import is_config_key, is_dns_subdomain, is_env_name, is_label_key

Object = Mapping[str, Any]

_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_KNOWN_FIELDS = {*_ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"}
_ENV_RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip
_ONE_OF = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
_CPU_DIVISORS = ("1m", "1")
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_MANY = "may not have more than one field specified at a time"


def env(path: str, variables: list[Object] | None) -> Errors:
    """A list of EnvVar."""
    errors: Errors = []
    for at, variable in indexed(path, variables):
        errors += required(f"{at}.name", variable.get("name"), is_env_name)
        if variable.get("valueFrom") is not None:
            errors += _source(f"{at}.valueFrom", variable)
    return errors


def _source(path: str, variable: Object) -> Errors:
    source = variable["valueFrom"]
    errors: Errors = []
    if (field := source.get("fieldRef")) is not None:
        errors += field_ref(f"{path}.fieldRef", field, _ENV_FIELDS)
    if (resource := source.get("resourceFieldRef")) is not None:
        errors += resource_ref(f"{path}.resourceFieldRef", resource, in_volume=False)
    for key in ("configMapKeyRef", "secretKeyRef"):
        if (reference := source.get(key)) is not None:
            errors += text(f"{path}.{key}.name", reference.get("name"), is_dns_subdomain)
            errors += required(f"{path}.{key}.key", reference.get("key"), is_config_key)
    given = sum(source.get(key) is not None for key in _SOURCES)
    if given == 0:
        errors.append(FieldError.invalid(path, "", _ONE_OF))
    elif variable.get("value"):
        errors.append(FieldError.invalid(path, "", "may not be specified when `value` is not empty"))
    elif given > 1:
        errors.append(FieldError.invalid(path, "", _MANY))
    return errors


def env_from(path: str, sources: list[Object] | None) -> Errors:
    """A list of EnvFromSource."""
    errors: Errors = []
    for at, source in indexed(path, sources):
        if source.get("prefix"):
            errors += text(f"{at}.prefix", source["prefix"], is_env_name)
        given = [key for key in ("configMapRef", "secretRef") if source.get(key) is not None]
        for key in given:
            errors += required(f"{at}.{key}.name", source[key].get("name"), is_dns_subdomain)
        if not given:
            errors.append(FieldError.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            errors.append(FieldError.invalid(path, "", _MANY))
    return errors


def field_ref(path: str, reference: Object, allowed: Collection[str]) -> Errors:
    """A reference to a field of the pod. `allowed`: the fields that can be had where it stands."""
    field = reference.get("fieldPath") or ""
    if not reference.get("apiVersion"):
        return [FieldError.required(f"{path}.apiVersion")]
    if not field:
        return [FieldError.required(f"{path}.fieldPath")]
    subscript = re.fullmatch(r"(metadata\.(?:annotations|labels))\['(.*)'\]", field)
    if subscript:
        key = subscript[2].lower() if subscript[1].endswith("annotations") else subscript[2]
        return text(path, key, is_label_key)
    if field not in _KNOWN_FIELDS:
        return [
            FieldError.invalid(
                f"{path}.fieldPath", field, f"error converting fieldPath: field label not supported: {field}"
            )
        ]
    return [] if field in allowed else [FieldError.not_supported(f"{path}.fieldPath", field, sorted(allowed))]


def resource_ref(path: str, reference: Object, *, in_volume: bool) -> Errors:
    """A reference to a request or limit of a container, which must be named outside of the container itself."""
    if in_volume and not reference.get("containerName"):
        return [FieldError.required(f"{path}.containerName")]
    resource = reference.get("resource") or ""
    if not resource:
        return [FieldError.required(f"{path}.resource")]
    hugepages = resource.startswith(("limits.hugepages-", "requests.hugepages-"))
    if resource not in _ENV_RESOURCES and not hugepages:
        return [FieldError.not_supported(f"{path}.resource", resource, _ENV_RESOURCES)]
    return _divisor(f"{path}.divisor", resource, str(reference.get("divisor") or "0"))


def _divisor(path: str, resource: str, divisor: str) -> Errors:
    """The unit that an amount is told in. "0" is none said."""
    kind = resource.partition(".")[2]
    if divisor == "0" or divisor in (_CPU_DIVISORS if kind == "cpu" else _BYTE_DIVISORS):
        return []
    if kind == "cpu":
        message = "only divisor's values 1m and 1 are supported with the cpu resource"
    else:
        named = {"ephemeral-storage": "local ephemeral storage", "memory": "memory"}.get(kind, "hugepages")
        message = f"only divisor's values {', '.join(_BYTE_DIVISORS)} are supported with the {named} resource"
    return [FieldError.invalid(path, resource, message)]
