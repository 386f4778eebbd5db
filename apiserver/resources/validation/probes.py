"""Probes and lifecycle hooks of a container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.validation.checks import Errors, not_negatives, one_of, port, port_number, text
from machinery.errors import FieldError
from machinery.objects.names import is_header_name

Object = Mapping[str, Any]

_KINDS = ("livenessProbe", "readinessProbe", "startupProbe")
_TIMES = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def probes(path: str, container: Object) -> Errors:
    """The three probes of a container."""
    errors: Errors = []
    for kind in _KINDS:
        probe = container.get(kind)
        if probe is None:
            continue
        at = f"{path}.{kind}"
        errors += handler(at, probe) + not_negatives(at, probe, *_TIMES)
        grace = probe.get("terminationGracePeriodSeconds")
        if kind == "readinessProbe":
            if grace is not None:
                errors.append(
                    FieldError.invalid(
                        f"{at}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes"
                    )
                )
            continue
        if grace is not None and grace <= 0:
            errors.append(FieldError.invalid(f"{at}.terminationGracePeriodSeconds", grace, "must be greater than 0"))
        if probe.get("successThreshold", 1) != 1:
            errors.append(FieldError.invalid(f"{at}.successThreshold", probe["successThreshold"], "must be 1"))
    return errors


def lifecycle(path: str, hooks: Object | None, *, grace: int) -> Errors:
    """postStart and preStop; None is good. grace: the pod's grace period in seconds, which bounds their sleep."""
    return [
        error
        for key in ("postStart", "preStop")
        if (hook := (hooks or {}).get(key)) is not None
        for error in handler(f"{path}.{key}", hook) + _sleep(f"{path}.{key}.sleep", hook.get("sleep"), grace)
    ]


def _sleep(path: str, action: Object | None, grace: int) -> Errors:
    if action is None or 0 <= (action.get("seconds") or 0) <= grace:
        return []
    message = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
    return [FieldError.invalid(path, action.get("seconds"), message)]


def handler(path: str, action: Object) -> Errors:
    """Exactly one of exec, httpGet, tcpSocket, grpc, sleep, and that one well formed."""
    errors: Errors = []
    given = [key for key in ("exec", "httpGet", "tcpSocket", "grpc", "sleep") if action.get(key) is not None]
    for extra in given[1:]:
        errors.append(FieldError.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type"))
    if not given:
        return [FieldError.required(path, "must specify a handler type")]
    kind, detail, at = given[0], action[given[0]], f"{path}.{given[0]}"
    match kind:
        case "exec":
            if not detail.get("command"):
                errors.append(FieldError.required(f"{at}.command"))
        case "httpGet":
            if not detail.get("path"):
                errors.append(FieldError.required(f"{at}.path"))
            errors += port(f"{at}.port", detail.get("port"))
            errors += one_of(f"{at}.scheme", detail.get("scheme"), ("HTTP", "HTTPS"))
            for header in detail.get("httpHeaders") or []:
                errors += text(f"{at}.httpHeaders", header.get("name"), is_header_name)
        case "tcpSocket":
            errors += port(f"{at}.port", detail.get("port"))
        case "grpc":
            errors += port_number(f"{at}.port", detail.get("port") or 0)
    return errors
