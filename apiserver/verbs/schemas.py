"""Field schemas of what is served: the packed definitions for built-in kinds, their own for custom resources."""

from __future__ import annotations

from apiserver.resources.spec import ResourceSpec
from machinery.objects.gvk import GVK
from machinery.schema.definitions import Definitions, builtin
from machinery.schema.model import Schema
from machinery.schema.structural import compile as compile_structural

REMEMBERED = 256
"""Specs whose reading is remembered; the oldest goes first."""


class Schemas:
    """One server's; compiled schemas of custom resources go with their rows."""

    def __init__(self, definitions: Definitions | None = None) -> None:
        self._definitions = definitions or builtin()
        self._custom: dict[int, tuple[ResourceSpec, Schema]] = {}
        self._read: dict[tuple[GVK, bytes], bytes] = {}

    def of(self, spec: ResourceSpec) -> Schema | None:
        """The schema of a row; None when nothing is known of its fields."""
        if spec.schema:
            return self._definitions[spec.schema] if spec.schema in self._definitions else None  # noqa: SIM401 - no get
        if spec.structural is None:
            return None
        found = self._custom.get(id(spec))
        if found is None:
            # The row is kept beside its schema, so that its id is not given to another.
            found = self._custom[id(spec)] = (spec, compile_structural(spec.structural))
        return found[1]

    def recall(self, kind: GVK, said: bytes) -> bytes | None:
        """What a spec that came as these bytes reads as, when that is remembered; both are JSON."""
        return self._read.get((kind, said))

    def remember(self, kind: GVK, said: bytes, read: bytes) -> None:
        """A spec was read without a complaint."""
        if len(self._read) >= REMEMBERED:
            del self._read[next(iter(self._read))]
        self._read[kind, said] = read

    def named(self, definition: str) -> Schema:
        """A definition of the packed schemas ("io.k8s.api.autoscaling.v1.Scale"). Raises KeyError."""
        return self._definitions[definition]
