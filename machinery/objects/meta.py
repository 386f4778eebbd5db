"""Reading and copying `metadata` of Kubernetes objects.

Objects are plain `dict[str, Any]` as decoded from JSON. The readers here never raise on an absent field: they answer
the empty value of the field's type. Whatever comes from a cache or an informer is read-only: take `deep_copy` (or one
of the `with_*` functions, which copy only what they change) before changing it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from machinery.objects import timefmt

Object = dict[str, Any]


def metadata(o: Mapping[str, Any]) -> dict[str, Any]:
    """`metadata`, or an empty dict that is not attached to the object."""
    found: dict[str, Any] = o.get("metadata") or {}
    return found


def api_version(o: Mapping[str, Any]) -> str:
    """`apiVersion`, "" when absent."""
    return str(o.get("apiVersion") or "")


def kind(o: Mapping[str, Any]) -> str:
    """`kind`, "" when absent."""
    return str(o.get("kind") or "")


def name(o: Mapping[str, Any]) -> str:
    """`metadata.name`, "" when absent."""
    return str(metadata(o).get("name") or "")


def namespace(o: Mapping[str, Any]) -> str:
    """`metadata.namespace`, "" for cluster-scoped objects."""
    return str(metadata(o).get("namespace") or "")


def uid(o: Mapping[str, Any]) -> str:
    """`metadata.uid`, "" before the object was stored."""
    return str(metadata(o).get("uid") or "")


def key(o: Mapping[str, Any]) -> str:
    """`namespace/name`, or `name` for cluster-scoped objects: the key of caches and workqueues."""
    return join_key(namespace(o), name(o))


def join_key(namespace: str, name: str) -> str:
    """The key of the object of that name; namespace "" for cluster-scoped objects."""
    return f"{namespace}/{name}" if namespace else name


def split_key(key: str) -> tuple[str, str]:
    """(namespace, name) of a key made by `key` or `join_key`."""
    namespace, slash, name = key.partition("/")
    return (namespace, name) if slash else ("", namespace)


def labels(o: Mapping[str, Any]) -> dict[str, str]:
    """`metadata.labels`, {} when absent."""
    return metadata(o).get("labels") or {}


def annotations(o: Mapping[str, Any]) -> dict[str, str]:
    """`metadata.annotations`, {} when absent."""
    return metadata(o).get("annotations") or {}


def label(o: Mapping[str, Any], key: str) -> str | None:
    """One label's value; None when absent (a label may be "")."""
    return labels(o).get(key)


def annotation(o: Mapping[str, Any], key: str) -> str | None:
    """One annotation's value; None when absent (an annotation may be "")."""
    return annotations(o).get(key)


def finalizers(o: Mapping[str, Any]) -> list[str]:
    """`metadata.finalizers`, [] when absent."""
    return metadata(o).get("finalizers") or []


def has_finalizer(o: Mapping[str, Any], finalizer: str) -> bool:
    """Whether `finalizer` still holds the object back from removal."""
    return finalizer in finalizers(o)


def owner_references(o: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`metadata.ownerReferences`, [] when absent."""
    return metadata(o).get("ownerReferences") or []


def generation(o: Mapping[str, Any]) -> int:
    """`metadata.generation`, 0 when absent."""
    return int(metadata(o).get("generation") or 0)


def observed_generation(o: Mapping[str, Any]) -> int:
    """`status.observedGeneration`, 0 when absent."""
    return int((o.get("status") or {}).get("observedGeneration") or 0)


def resource_version(o: Mapping[str, Any]) -> str:
    """`metadata.resourceVersion`, "" when absent. Opaque to clients: compare for equality only."""
    return str(metadata(o).get("resourceVersion") or "")


def creation_time(o: Mapping[str, Any]) -> datetime | None:
    """`metadata.creationTimestamp` as an aware UTC time."""
    return timefmt.parse_optional(metadata(o).get("creationTimestamp"))


def deletion_time(o: Mapping[str, Any]) -> datetime | None:
    """`metadata.deletionTimestamp` as an aware UTC time; None while nobody asked for deletion."""
    return timefmt.parse_optional(metadata(o).get("deletionTimestamp"))


def is_deleting(o: Mapping[str, Any]) -> bool:
    """Whether deletion was asked for and waits for finalizers or for the grace period."""
    return metadata(o).get("deletionTimestamp") is not None


def deep_copy(o: Object) -> Object:
    """An independent copy. JSON out and in: nine times faster than `copy.deepcopy` on a pod."""
    copied: Object = orjson.loads(orjson.dumps(o))
    return copied


def without_managed_fields(o: Object) -> Object:
    """The object without the record of who wrote what, which is a third of it; itself when it has none. Only `metadata`
    is copied. Such a copy can be written: the server leaves the record as it is when a writer says nothing of it."""
    held = metadata(o)
    if "managedFields" not in held:
        return o
    return {**o, "metadata": {key: value for key, value in held.items() if key != "managedFields"}}


def with_labels(o: Object, labels: Mapping[str, str | None]) -> Object:
    """A copy with these labels set; a value of None removes the label. Only `metadata` is copied."""
    return _with_map(o, "labels", labels)


def with_annotations(o: Object, annotations: Mapping[str, str | None]) -> Object:
    """A copy with these annotations set; a value of None removes the annotation. Only `metadata` is copied."""
    return _with_map(o, "annotations", annotations)


def with_finalizer(o: Object, finalizer: str) -> Object:
    """A copy that `finalizer` holds back; the object itself when it does so already."""
    if has_finalizer(o, finalizer):
        return o
    return {**o, "metadata": {**metadata(o), "finalizers": [*finalizers(o), finalizer]}}


def without_finalizer(o: Object, finalizer: str) -> Object:
    """A copy that `finalizer` holds back no longer; the object itself when it does not now."""
    if not has_finalizer(o, finalizer):
        return o
    rest = [each for each in finalizers(o) if each != finalizer]
    changed = {**metadata(o), "finalizers": rest}
    if not rest:
        del changed["finalizers"]
    return {**o, "metadata": changed}


def _with_map(o: Object, field: str, changes: Mapping[str, str | None]) -> Object:
    merged: dict[str, Any] = {**(metadata(o).get(field) or {}), **changes}
    merged = {k: v for k, v in merged.items() if v is not None}
    changed = {**metadata(o), field: merged}
    if not merged:
        del changed[field]
    return {**o, "metadata": changed}
