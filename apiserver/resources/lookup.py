"""Which resources are served at this moment: the built-in rows, and those that CustomResourceDefinitions added.

Edges, discovery and OpenAPI read it; the CRD actor is the only writer. Rows are immutable: what changes is the mapping,
and whoever derives a document from it remembers `version` or asks to be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from apiserver.resources.spec import ResourceSpec
from machinery.objects.gvk import GVK, GVR

Listener = Callable[[], None]


class Resources:
    """The resources of one server."""

    def __init__(self, built_in: Iterable[ResourceSpec]) -> None:
        """Raises ValueError when two built-in rows claim the same resource or kind."""
        self._built_in: dict[GVR, ResourceSpec] = {}
        for spec in built_in:
            if spec.gvr in self._built_in:
                raise ValueError(f"two rows for {spec.gvr}")
            self._built_in[spec.gvr] = spec
        self._custom: dict[str, tuple[ResourceSpec, ...]] = {}
        self._listeners: list[Listener] = []
        self.version = 0
        self._index()

    def find(self, resource: GVR) -> ResourceSpec | None:
        """The row that serves a group, version and plural; None when nothing does."""
        return self._by_gvr.get(resource)

    def by_kind(self, kind: GVK) -> ResourceSpec | None:
        """The row whose objects are of this kind. Of two with one kind (Scale, Eviction never are) the stored one."""
        return self._by_gvk.get(kind)

    def all(self) -> Mapping[GVR, ResourceSpec]:
        """Every row: the built-in ones in the registry's order, then custom ones as they were established."""
        return self._view

    def custom(self, name: str) -> tuple[ResourceSpec, ...]:
        """The rows that the CustomResourceDefinition of that name added."""
        return self._custom.get(name, ())

    def serve(self, name: str, specs: Iterable[ResourceSpec]) -> None:
        """Serve the versions of a CustomResourceDefinition, in place of those it had; none takes it away."""
        after = tuple(specs)
        if after:
            self._custom[name] = after
        elif self._custom.pop(name, None) is None:
            return
        self.version += 1
        self._index()
        for listener in tuple(self._listeners):
            listener()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after every change. Answers what ends the subscription."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _index(self) -> None:
        self._by_gvr = dict(self._built_in)
        for specs in self._custom.values():
            for spec in specs:
                self._by_gvr.setdefault(spec.gvr, spec)
        self._by_gvk: dict[GVK, ResourceSpec] = {}
        for spec in self._by_gvr.values():
            if spec.storage or spec.gvk not in self._by_gvk:
                self._by_gvk[spec.gvk] = spec
        self._view = MappingProxyType(self._by_gvr)
