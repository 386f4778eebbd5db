"""Containers of a pod: the ordinary, the initial and the ephemeral ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from apiserver.resources.validation.checks import (
    ID_RANGE,
    MAX_INT32,
    Errors,
    indexed,
    one_of,
    port_number,
    protocol,
    quantity,
    required,
    text,
)
from apiserver.resources.validation.environment import env, env_from
from apiserver.resources.validation.probes import lifecycle, probes
from apiserver.resources.validation.volumes import relative_path
from machinery.errors import FieldError
from machinery.objects.names import is_dns_label, is_label_key, is_port_name

Object = Mapping[str, Any]

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_RESIZED = ("cpu", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_OVERCOMMIT = ("cpu", "memory", "ephemeral-storage")
_INIT_ONLY = "may not be set for init containers without restartPolicy=Always"
_EPHEMERAL_REFUSES = (
    "ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources", "resizePolicy",
)  # fmt: skip


def containers(path: str, spec: Object, volumes: Collection[str]) -> Errors:
    """All containers of a pod's spec. volumes: the names of its volumes."""
    errors: Errors = []
    names: set[str] = set()
    if not spec.get("containers"):
        errors.append(FieldError.required(f"{path}.containers"))
    host = bool(spec.get("hostNetwork"))
    grace = spec.get("terminationGracePeriodSeconds") or 0
    host_ports: set[str] = set()
    for at, container in indexed(f"{path}.containers", spec.get("containers")):
        errors += _container(at, container, volumes, host=host)
        errors += _unique(at, container, names)
        errors += _host_ports(f"{at}.ports", container, host_ports)
        errors += lifecycle(f"{at}.lifecycle", container.get("lifecycle"), grace=grace)
        errors += probes(at, container)
    for at, container in indexed(f"{path}.initContainers", spec.get("initContainers")):
        errors += _container(at, container, volumes, host=host)
        errors += _unique(at, container, names)
        errors += _init(at, container, grace=grace)
    for at, container in indexed(f"{path}.ephemeralContainers", spec.get("ephemeralContainers")):
        errors += _container(at, container, volumes, host=host)
        errors += _unique(at, container, names)
        errors += _ephemeral(at, container)
        target = container.get("targetContainerName")
        if target and target not in {each.get("name") for each in spec.get("containers") or []}:
            errors.append(FieldError.not_found(f"{at}.targetContainerName", target))
    return errors


def _unique(path: str, container: Object, names: set[str]) -> Errors:
    name = container.get("name") or ""
    repeated = bool(name) and name in names
    names.add(name)
    return [FieldError.duplicate(f"{path}.name", name)] if repeated else []


def _init(path: str, container: Object, *, grace: int) -> Errors:
    """Only an init container that keeps running (a sidecar) may be probed or have hooks."""
    errors = one_of(
        f"{path}.restartPolicy", container.get("restartPolicy"), ("Always", "Never", "OnFailure"), optional=True
    )
    if container.get("restartPolicy") == "Always":
        hooks = lifecycle(f"{path}.lifecycle", container.get("lifecycle"), grace=grace)
        return errors + hooks + probes(path, container)
    for key in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(key) is not None:
            errors.append(FieldError.forbidden(f"{path}.{key}", _INIT_ONLY))
    return errors


def _ephemeral(path: str, container: Object) -> Errors:
    refused = [f"{path}.{key}" for key in _EPHEMERAL_REFUSES if container.get(key)]
    for at, mount in indexed(f"{path}.volumeMounts", container.get("volumeMounts")):
        refused += [f"{at}.{key}" for key in ("subPath", "subPathExpr") if mount.get(key)]
    return [FieldError.forbidden(at, "cannot be set for an Ephemeral Container") for at in refused]


def _container(path: str, container: Object, volumes: Collection[str], *, host: bool) -> Errors:
    errors = required(f"{path}.name", container.get("name"), is_dns_label)
    errors += required(f"{path}.image", container.get("image"))
    errors += one_of(f"{path}.terminationMessagePolicy", container.get("terminationMessagePolicy"), _MESSAGE_POLICIES)
    errors += _ports(f"{path}.ports", container.get("ports"), host=host)
    errors += env(f"{path}.env", container.get("env"))
    errors += env_from(f"{path}.envFrom", container.get("envFrom"))
    errors += _mounts(f"{path}.volumeMounts", container.get("volumeMounts"), volumes)
    for at, device in indexed(f"{path}.volumeDevices", container.get("volumeDevices")):
        errors += required(f"{at}.name", device.get("name"))
        if device.get("name") and device["name"] not in volumes:
            errors.append(FieldError.not_found(f"{at}.name", device["name"]))
        errors += required(f"{at}.devicePath", device.get("devicePath"))
    errors += one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    errors += resources(f"{path}.resources", container.get("resources") or {})
    for at, policy in indexed(f"{path}.resizePolicy", container.get("resizePolicy")):
        errors += one_of(at, policy.get("resourceName"), _RESIZED)
        errors += one_of(at, policy.get("restartPolicy"), _RESIZE_POLICIES)
    return errors + _security(f"{path}.securityContext", container.get("securityContext"))


def _ports(path: str, ports: list[Object] | None, *, host: bool) -> Errors:
    errors: Errors = []
    names: set[str] = set()
    for at, each in indexed(path, ports):
        if name := each.get("name"):
            problems = text(f"{at}.name", name, is_port_name)
            errors += problems or ([FieldError.duplicate(f"{at}.name", name)] if name in names else [])
            names.add(name)
        number, on_host = each.get("containerPort") or 0, each.get("hostPort") or 0
        errors += port_number(f"{at}.containerPort", number) if number else [FieldError.required(f"{at}.containerPort")]
        if on_host:
            errors += port_number(f"{at}.hostPort", on_host)
        errors += protocol(f"{at}.protocol", each.get("protocol"))
        if host and on_host != number:
            errors.append(
                FieldError.invalid(f"{at}.containerPort", number, "must match `hostPort` when `hostNetwork` is true")
            )
    return errors


def _host_ports(path: str, container: Object, seen: set[str]) -> Errors:
    """A port of the host can be taken once in a pod."""
    errors: Errors = []
    for at, each in indexed(path, container.get("ports")):
        if not each.get("hostPort"):
            continue
        key = f"{each.get('protocol')}/{each.get('hostIP') or ''}/{each['hostPort']}"
        if key in seen:
            errors.append(FieldError.duplicate(f"{at}.hostPort", key))
        seen.add(key)
    return errors


def _mounts(path: str, mounts: list[Object] | None, volumes: Collection[str]) -> Errors:
    errors: Errors = []
    points: set[str] = set()
    for at, mount in indexed(path, mounts):
        name, point = mount.get("name") or "", mount.get("mountPath") or ""
        errors += required(f"{at}.name", name)
        if name not in volumes:
            errors.append(FieldError.not_found(f"{at}.name", name))
        errors += required(f"{at}.mountPath", point)
        if point in points:
            errors.append(FieldError.invalid(f"{at}.mountPath", point, "must be unique"))
        points.add(point)
        if mount.get("subPath"):
            errors += relative_path(f"{path}.subPath", mount["subPath"])
        if mount.get("subPathExpr"):
            errors += relative_path(f"{path}.subPathExpr", mount["subPathExpr"])
            if mount.get("subPath"):
                errors.append(
                    FieldError.invalid(
                        f"{at}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive"
                    )
                )
        errors += one_of(
            f"{path}.mountPropagation",
            mount.get("mountPropagation"),
            ("Bidirectional", "HostToContainer", "None"),
            optional=True,
        )
    return errors


def resources(path: str, asked: Object) -> Errors:
    """Requests and limits: known names, no negative amounts, no request above its limit."""
    errors: Errors = []
    amounts: dict[str, dict[str, Any]] = {"limits": {}, "requests": {}}
    for key in ("limits", "requests"):
        for name, value in (asked.get(key) or {}).items():
            at = f"{path}.{key}[{name}]"
            errors += _resource_name(at, name)
            amount, wrong = quantity(at, value)
            errors += wrong
            if amount is not None:
                amounts[key][name] = amount
                if _is_extended(name) and amount.nano % 10**9:
                    errors.append(FieldError.invalid(at, str(amount), "must be an integer"))
    for name, request in amounts["requests"].items():
        limit = amounts["limits"].get(name)
        if limit is None:
            if not _is_overcommitted(name):
                errors.append(
                    FieldError.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
                )
        elif not _is_overcommitted(name) and request != limit:
            errors.append(
                FieldError.invalid(f"{path}.requests", str(request), f"must be equal to {name} limit of {limit}")
            )
        elif request > limit:
            errors.append(
                FieldError.invalid(
                    f"{path}.requests", str(request), f"must be less than or equal to {name} limit of {limit}"
                )
            )
    return errors


def _resource_name(path: str, name: str) -> Errors:
    errors = text(path, name, is_label_key)
    if not errors and "/" not in name and name not in _OVERCOMMIT and not name.startswith("hugepages-"):
        errors.append(FieldError.invalid(path, name, "must be a standard resource type or fully qualified"))
        errors.append(FieldError.invalid(path, name, "must be a standard resource for containers"))
    return errors


def _is_overcommitted(name: str) -> bool:
    """Whether pods may be promised more of it than there is: all of Kubernetes' own resources but huge pages."""
    return not _is_extended(name) and not name.startswith("hugepages-")


def _is_extended(name: str) -> bool:
    return "/" in name and not name.partition("/")[0].endswith("kubernetes.io")


def _security(path: str, context: Object | None) -> Errors:
    if not context:
        return []
    errors: Errors = []
    for key in ("runAsUser", "runAsGroup"):
        value = context.get(key)
        if value is not None and not 0 <= value <= MAX_INT32:
            errors.append(FieldError.invalid(f"{path}.{key}", value, ID_RANGE))
    errors += seccomp(f"{path}.seccompProfile", context.get("seccompProfile"))
    errors += one_of(f"{path}.procMount", context.get("procMount"), ("Default", "Unmasked"), optional=True)
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            errors.append(
                FieldError.invalid(
                    path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
                )
            )
        if any(name in ("CAP_SYS_ADMIN", "SYS_ADMIN") for name in (context.get("capabilities") or {}).get("add") or []):
            errors.append(
                FieldError.invalid(
                    path,
                    context,
                    "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
                )
            )
    return errors


def seccomp(path: str, profile: Object | None) -> Errors:
    """A seccomp profile; None is good."""
    if not profile:
        return []
    kind = profile.get("type")
    if not kind:
        return [FieldError.required(f"{path}.type", "type is required when seccompProfile is set")]
    errors = one_of(f"{path}.type", kind, ("Localhost", "RuntimeDefault", "Unconfined"))
    if kind == "Localhost" and not profile.get("localhostProfile"):
        errors.append(FieldError.required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost"))
    if kind != "Localhost" and profile.get("localhostProfile"):
        errors.append(
            FieldError.invalid(
                f"{path}.localhostProfile",
                profile["localhostProfile"],
                "can only be set when seccomp type is Localhost",
            )
        )
    return errors
