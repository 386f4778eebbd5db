"""What may change about a pod once it is there: little, and each of its parts through its own door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from apiserver.resources.qos import qos_class
from apiserver.resources.validation.checks import Errors, immutable, indexed
from apiserver.resources.validation.pods import pod
from machinery.errors import FieldError
from machinery.objects.meta import deep_copy

Object = dict[str, Any]

_CHANGEABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)


def update(obj: Object, old: Object) -> Errors:
    """A changed pod: its own rules, and what must stay."""
    errors = pod(obj)
    spec, before = obj["spec"], old["spec"]
    for key in ("containers", "initContainers"):
        if len(spec.get(key) or []) != len(before.get(key) or []):
            return [*errors, FieldError.forbidden(f"spec.{key}", "pod updates may not add or remove containers")]
    errors += _deadline(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"))
    errors += _tolerations(spec.get("tolerations") or [], before.get("tolerations") or [])
    errors += _gates(spec.get("schedulingGates") or [], before.get("schedulingGates") or [])
    if errors:
        return errors
    allowed = deep_copy(spec)
    for key in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        _keep(allowed, before, key)
    if before.get("schedulingGates"):
        errors += _steered(allowed, spec, before)
    for key in ("containers", "initContainers"):
        for container, was in zip(allowed.get(key) or [], before.get(key) or [], strict=True):
            _keep(container, was, "image")
    if before.get("terminationGracePeriodSeconds", 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        _keep(allowed, before, "terminationGracePeriodSeconds")
    if allowed != before:
        errors.append(
            FieldError.forbidden(
                "spec",
                f"pod updates may not change fields other than {','.join(_CHANGEABLE)}\n{difference(before, allowed)}",
            )
        )
    return errors


def _steered(allowed: Object, spec: Object, before: Object) -> Errors:
    """A pod that waits at a gate may still be told to which nodes it goes: by more labels, and by node affinity."""
    errors: Errors = []
    chosen = spec.get("nodeSelector") or {}
    if any(chosen.get(key) != value for key, value in (before.get("nodeSelector") or {}).items()):
        message = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(FieldError.invalid("spec.nodeSelector", chosen, message))
    _keep(allowed, before, "nodeSelector")
    affinity = dict(allowed.get("affinity") or {})
    _keep(affinity, before.get("affinity") or {}, "nodeAffinity")
    if affinity or "affinity" in before:
        allowed["affinity"] = affinity
    else:
        allowed.pop("affinity", None)
    return errors


def status(obj: Object, old: Object) -> Errors:
    """A write to pods/status: what a pod was promised stays."""
    now, before = ((each.get("status") or {}).get("qosClass") for each in (obj, old))
    return immutable("status.qosClass", now, before) if before else []


def ephemeral_containers(obj: Object, old: Object) -> Errors:
    """A write to pods/ephemeralcontainers: they can be added, and neither changed nor taken away."""
    errors = pod(obj)
    now = {each.get("name"): each for each in obj["spec"].get("ephemeralContainers") or []}
    for was in old["spec"].get("ephemeralContainers") or []:
        name = was.get("name")
        if name not in now:
            errors.append(
                FieldError.forbidden(
                    "spec.ephemeralContainers", f'existing ephemeral containers "{name}" may not be removed\n'
                )
            )
        elif now[name] != was:
            errors.append(
                FieldError.forbidden(
                    "spec.ephemeralContainers",
                    f'existing ephemeral containers "{name}" may not be changed\n{difference(was, now[name])}',
                )
            )
    return errors


def resize(obj: Object, old: Object) -> Errors:
    """A write to pods/resize: CPU and memory of containers, as long as the quality of service stays."""
    errors = pod(obj)
    if qos_class(obj) != qos_class(old):
        errors.append(
            FieldError.invalid("spec", qos_class(obj), "Pod QOS Class may not change as a result of resizing")
        )
    errors += _init_containers_resized(obj, old)
    befores = old["spec"].get("containers") or []
    for (at, container), was in zip(indexed("spec.containers", obj["spec"]["containers"]), befores, strict=True):
        for key in ("requests", "limits"):
            now, then = ((each.get("resources") or {}).get(key) or {} for each in (container, was))
            changed = [name for name in {*now, *then} if now.get(name) != then.get(name)]
            if any(name not in now for name in then):
                message = f"resource {key} cannot be removed"
                errors.append(FieldError.forbidden(f"{at}.resources.{key}", message))
            if any(name not in ("cpu", "memory") for name in changed):
                errors.append(FieldError.forbidden("spec", "only cpu and memory resources are mutable"))
    return errors


def _init_containers_resized(obj: Object, old: Object) -> Errors:
    before = {each.get("name"): each for each in old["spec"].get("initContainers") or []}
    return [
        FieldError.forbidden("spec", "resources for non-sidecar init containers are immutable")
        for container in obj["spec"].get("initContainers") or []
        if container.get("restartPolicy") != "Always" and container != before.get(container.get("name"))
    ]


def difference(before: Any, after: Any) -> str:
    """What differs, line by line, `-` for what was and `+` for what is."""
    import difflib  # here and not above: only a refused update needs it

    lines = [orjson.dumps(each, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode() for each in (before, after)]
    said = difflib.ndiff(lines[0].splitlines(), lines[1].splitlines())
    return "\n".join(line for line in said if line[:1] in "+-")


def _deadline(now: int | None, before: int | None) -> Errors:
    path = "spec.activeDeadlineSeconds"
    if before is not None and now is None:
        return [FieldError.invalid(path, now, "must not update from a positive integer to nil value")]
    if before is not None and now is not None and now > before:
        return [FieldError.invalid(path, now, "must be less than or equal to previous value")]
    return []


def _tolerations(now: list[Object], before: list[Object]) -> Errors:
    """Tolerations are added to; of those that are there only the seconds change."""
    present = [{key: value for key, value in each.items() if key != "tolerationSeconds"} for each in now]
    for was in before:
        if {key: value for key, value in was.items() if key != "tolerationSeconds"} not in present:
            return [
                FieldError.forbidden(
                    "spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"
                )
            ]
    return []


def _gates(now: list[Object], before: list[Object]) -> Errors:
    known = {each.get("name") for each in before}
    return [
        FieldError.forbidden(at, f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'")
        for at, gate in indexed("spec.schedulingGates", now)
        if gate.get("name") not in known
    ]


def _keep(spec: Object, old: Mapping[str, Any], key: str) -> None:
    if key in old:
        spec[key] = old[key]
    else:
        spec.pop(key, None)
