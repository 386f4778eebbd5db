"""`apiserver.auth.api.Caches` on a dict, for rules that are tested without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from apiserver.auth.api import Listener
from apiserver.resources.lookup import Resources
from apiserver.resources.registry import RESOURCES
from machinery.objects import meta
from machinery.objects.gvk import GVR, gvk_of

Object = dict[str, Any]


class MemoryCaches:
    """Objects by resource, namespace and name; listeners are told at once."""

    def __init__(self, *objects: Object) -> None:
        self._resources = Resources(RESOURCES.values())
        self._objects: dict[tuple[GVR, str, str], Object] = {}
        self._listeners: dict[GVR, list[Listener]] = {}
        for obj in objects:
            self.put(obj)

    def put(self, obj: Object) -> Object:
        key = self._key(obj)
        event = "MODIFIED" if key in self._objects else "ADDED"
        self._objects[key] = obj
        self._tell(event, key[0], obj)
        return obj

    def remove(self, obj: Object) -> None:
        key = self._key(obj)
        self._tell("DELETED", key[0], self._objects.pop(key))

    def get(self, resource: GVR, namespace: str, name: str) -> Object | None:
        return self._objects.get((resource, namespace, name))

    async def fetch(self, resource: GVR, namespace: str, name: str) -> Object | None:
        return self.get(resource, namespace, name)

    def list(self, resource: GVR, namespace: str = "") -> Iterable[Object]:
        return [obj for (kind, where, _), obj in self._objects.items() if kind == resource and namespace in ("", where)]

    def subscribe(self, resource: GVR, listener: Listener) -> Callable[[], None]:
        listeners = self._listeners.setdefault(resource, [])
        listeners.append(listener)
        for obj in self.list(resource):
            listener("ADDED", obj)
        return lambda: listeners.remove(listener)

    def keep(self, resource: GVR) -> None:
        """Everything is kept here."""

    def _key(self, obj: Object) -> tuple[GVR, str, str]:
        spec = self._resources.by_kind(gvk_of(obj))
        assert spec is not None, obj
        return spec.gvr, meta.namespace(obj), meta.name(obj)

    def _tell(self, event: str, resource: GVR, obj: Object) -> None:
        for listener in self._listeners.get(resource, ()):
            listener(event, obj)
