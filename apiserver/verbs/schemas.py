"""Field schemas of the resources that are served: the packed definitions for built-in kinds, their own for custom ones."""

from __future__ import annotations

from typing import NoReturn

from apiserver.resources.spec import ResourceSpec
from machinery.schema.definitions import Definitions, builtin
from machinery.schema.model import Schema


class Schemas:
    """One server's; compiled schemas of custom resources go with their rows."""

    def __init__(self, definitions: Definitions | None = None) -> None:
        self._definitions = definitions or builtin()
        self._custom: dict[int, tuple[ResourceSpec, Schema]] = {}

    def of(self, spec: ResourceSpec) -> Schema | None:
        """The schema of a row; None when nothing is known of its fields."""
        if spec.schema:
            return self._definitions[spec.schema] if spec.schema in self._definitions else None
        if spec.structural is None:
            return None
        found = self._custom.get(id(spec))
        if found is None:
            # The row is kept beside its schema, so that its id is not given to another.
            found = self._custom[id(spec)] = (spec, Schema(spec.structural, _no_references))
        return found[1]

    def named(self, definition: str) -> Schema:
        """A definition of the packed schemas ("io.k8s.api.autoscaling.v1.Scale"). Raises KeyError."""
        return self._definitions[definition]


def _no_references(name: str) -> NoReturn:
    raise KeyError(f"a structural schema has no references, got {name}")
