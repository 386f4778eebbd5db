"""What a pod, or a template of pods, may say and better did not: warnings, for nothing of it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.validation.checks import indexed
from machinery.objects.quantity import QuantityError, parse

Object = Mapping[str, Any]

_OLD_LABELS: Mapping[str, str] = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}


def pod_warnings(obj: Object) -> list[str]:
    """The warnings about a pod."""
    return spec_warnings("spec", obj.get("spec") or {})


def template_warnings(obj: Object) -> list[str]:
    """The warnings about the pods that a workload makes."""
    return spec_warnings("spec.template.spec", ((obj.get("spec") or {}).get("template") or {}).get("spec") or {})


def cron_job_warnings(obj: Object) -> list[str]:
    """The warnings about the pods of the jobs that a cron job makes."""
    jobs = ((obj.get("spec") or {}).get("jobTemplate") or {}).get("spec") or {}
    pods = (jobs.get("template") or {}).get("spec") or {}
    return spec_warnings("spec.jobTemplate.spec.template.spec", pods)


def spec_warnings(path: str, spec: Object) -> list[str]:
    """The warnings about a pod's spec, wherever it stands."""
    said = [
        f"{path}.nodeSelector[{key}]: {_OLD_LABELS[key]}"
        for key in spec.get("nodeSelector") or {}
        if key in _OLD_LABELS
    ]
    for kind in ("initContainers", "containers"):
        for at, container in indexed(f"{path}.{kind}", spec.get(kind)):
            said += (
                _env(f"{at}.env", container) + _ports(f"{at}.ports", container) + _bytes(f"{at}.resources", container)
            )
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        said.append(
            f"{path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        )
    return said


def _env(path: str, container: Object) -> list[str]:
    said = []
    names: set[str] = set()
    for at, variable in indexed(path, container.get("env")):
        name = variable.get("name") or ""
        if name in names:
            said.append(f'{at}: hides previous definition of "{name}", which may be dropped when using apply')
        names.add(name)
    return said


def _ports(path: str, container: Object) -> list[str]:
    said = []
    first: dict[tuple[Any, ...], str] = {}
    for at, port in indexed(path, container.get("ports")):
        key = tuple(port.get(part) or None for part in ("protocol", "containerPort", "hostPort", "hostIP"))
        if key in first:
            said.append(f"{at}: duplicate port definition with {first[key]}")
        first.setdefault(key, at)
    return said


def _bytes(path: str, container: Object) -> list[str]:
    """A thousandth of a byte of memory is a slip of the pen (`128m` for `128M`)."""
    said = []
    for kind in ("limits", "requests"):
        for name in ("memory", "ephemeral-storage"):
            amount = ((container.get("resources") or {}).get(kind) or {}).get(name)
            if amount is not None and _is_fractional(amount):
                said.append(f'{path}.{kind}[{name}]: fractional byte value "{amount}" is invalid, must be an integer')
    return said


def _is_fractional(amount: Any) -> bool:
    try:
        return parse(amount).nano % 10**9 != 0
    except QuantityError:
        return False
