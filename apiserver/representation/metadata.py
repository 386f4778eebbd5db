"""PartialObjectMetadata: objects without anything but their metadata, for clients that watch many kinds cheaply."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

API_VERSION = "meta.k8s.io/v1"


def partial(obj: Object) -> Object:
    """The PartialObjectMetadata of an object; shares its metadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": API_VERSION, "metadata": obj["metadata"]}


def partial_list(objects: list[Object], list_metadata: Object) -> Object:
    """The PartialObjectMetadataList of some objects. list_metadata: the list's own (resourceVersion, continue)."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": API_VERSION,
        "metadata": list_metadata,
        "items": [partial(obj) for obj in objects],
    }
