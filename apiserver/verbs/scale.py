"""The scale subresource: replicas of any kind that has them, as autoscaling/v1 Scale.

Where the numbers and the selector are is fixed for built-in kinds and named by a CustomResourceDefinition for others;
either way they come from the row's strategy.
"""

from __future__ import annotations

from typing import Any

from apiserver.resources.spec import ResourceSpec
from machinery.errors import FieldError, conflict, invalid
from machinery.objects import selectors
from machinery.objects.gvk import GVK

Object = dict[str, Any]

SCALE = GVK("autoscaling", "v1", "Scale")


def paths_of(spec: ResourceSpec) -> tuple[str, str, str]:
    """(spec replicas, status replicas, selector), dotted."""
    custom = getattr(spec.strategy, "scale_paths", None)
    if custom is not None:
        found: tuple[str, str, str] = custom
        return found
    return "spec.replicas", "status.replicas", "spec.selector"


def scale_of(spec: ResourceSpec, obj: Object) -> Object:
    """The Scale of an object."""
    wanted, actual, selector = paths_of(spec)
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Object = {"replicas": int(value_at(obj, actual) or 0)}
    text = _selector_text(value_at(obj, selector)) if selector else ""
    if text:
        status["selector"] = text
    desired = int(value_at(obj, wanted) or 0)
    return {
        "kind": SCALE.kind,
        "apiVersion": SCALE.api_version,
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": desired} if desired else {},
        "status": status,
    }


def scaled(spec: ResourceSpec, obj: Object, scale: Object) -> Object:
    """A copy of `obj` with the replicas that a Scale asks for. Raises Invalid and Conflict."""
    name = obj["metadata"]["name"]
    asked = scale.get("metadata") or {}
    if asked.get("uid") and asked["uid"] != obj["metadata"].get("uid"):
        ours = obj["metadata"].get("uid")
        raise conflict(
            spec.gvr, name, f"Precondition failed: UID in precondition: {asked['uid']}, UID in object meta: {ours}"
        )
    replicas = int((scale.get("spec") or {}).get("replicas") or 0)
    if replicas < 0:
        message = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid(SCALE, name, [FieldError("spec.replicas", "FieldValueInvalid", message)])
    changed = _with_value(obj, paths_of(spec)[0].split("."), replicas)
    metadata = dict(obj["metadata"])
    metadata["resourceVersion"] = asked.get("resourceVersion") or metadata.get("resourceVersion")
    return {**changed, "metadata": metadata}


def value_at(obj: Object, path: str) -> Any:
    """The value at a dotted path, None when something on the way is absent."""
    value: Any = obj
    for step in path.strip(".").split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _with_value(obj: Object, steps: list[str], value: Any) -> Object:
    first, *rest = steps
    below = _with_value(obj.get(first) or {}, rest, value) if rest else value
    return {**obj, first: below}


def _selector_text(selector: Any) -> str:
    if isinstance(selector, str):
        return selector
    if not isinstance(selector, dict) or not selector:
        return ""
    if {"matchLabels", "matchExpressions"} & selector.keys():
        return str(selectors.from_label_selector(selector))
    return str(selectors.from_set(selector))
