"""`Schema`: what is known of one field's value, compiled from OpenAPI once and walked many times.

The same node describes a field of a built-in kind (from the packed definitions) and of a custom resource (from its
structural schema), so decoding, pruning, patching, field ownership and documentation have one engine each.
Nodes are shared and read-only. Definitions refer to each other, and to themselves, so children are compiled when they
are first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Raw = Mapping[str, Any]
Resolve = Callable[[str], "Schema"]

_TIMES = {"io.k8s.apimachinery.pkg.apis.meta.v1.Time", "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"}


class Schema:
    """One value's schema.

    type: object, array, string, integer, number, boolean; "int-or-string", "quantity"; "" takes any JSON.
    name: the definition's ("io.k8s.api.core.v1.Pod"), "" for a schema that stands in its field.
    """

    __slots__ = (
        "_additional", "_items", "_properties", "_resolve", "closed", "embedded", "format", "is_time", "list_type",
        "map_keys", "map_type", "merge_key", "name", "patch_strategy", "preserve_unknown", "raw", "required", "type",
    )  # fmt: skip

    def __init__(self, raw: Raw, resolve: Resolve, *, name: str = "", field: Raw | None = None) -> None:
        """`field` is the schema that referred to this definition by `$ref`: its list and patch rules come first."""
        about = {**raw, **field} if field else raw
        self.raw = raw
        self.name = name
        self._resolve = resolve
        self.type: str = raw.get("type", "")
        if raw.get("x-kubernetes-int-or-string"):
            self.type = "int-or-string"
        self.format: str = raw.get("format", "")
        self.is_time = name in _TIMES
        self.required = frozenset(raw.get("required") or ())
        self.list_type: str = about.get("x-kubernetes-list-type", "")
        self.map_keys: tuple[str, ...] = tuple(about.get("x-kubernetes-list-map-keys") or ())
        self.map_type: str = about.get("x-kubernetes-map-type", "")
        self.merge_key: str = about.get("x-kubernetes-patch-merge-key", "")
        self.patch_strategy = frozenset(filter(None, about.get("x-kubernetes-patch-strategy", "").split(",")))
        self.preserve_unknown = bool(raw.get("x-kubernetes-preserve-unknown-fields"))
        self.embedded = bool(raw.get("x-kubernetes-embedded-resource"))
        self.closed = "properties" in raw
        """Whether unknown fields are errors: a struct, unlike a map or free-form JSON."""
        self._properties: dict[str, Schema | None] = dict.fromkeys(raw.get("properties") or ())
        self._items: Schema | None = None
        self._additional: Schema | None = None

    def field(self, name: str) -> Schema | None:
        """The schema of one field of a struct; None when it has no such field."""
        try:
            found = self._properties[name]
        except KeyError:
            return None
        if found is None:
            found = self._properties[name] = self._compile(self.raw["properties"][name])
        return found

    def field_names(self) -> Iterator[str]:
        """The fields of a struct, in the definition's order."""
        return iter(self._properties)

    @property
    def items(self) -> Schema | None:
        """The schema of an array's items; None when they are any JSON."""
        if self._items is None and isinstance(self.raw.get("items"), Mapping):
            self._items = self._compile(self.raw["items"])
        return self._items

    @property
    def additional(self) -> Schema | None:
        """The schema of a map's values; None when this is no map, or one of any JSON."""
        if self._additional is None and isinstance(self.raw.get("additionalProperties"), Mapping):
            self._additional = self._compile(self.raw["additionalProperties"])
        return self._additional

    def child(self, name: str) -> Schema | None:
        """The schema under a key, of a struct's field or of a map's value."""
        return self.field(name) or self.additional

    @property
    def is_map(self) -> bool:
        """Whether keys are data (labels), not fields."""
        return "additionalProperties" in self.raw and not self.closed

    @property
    def go_type(self) -> str:
        """What this type is called in upstream's decoding errors: `int32`, `[]v1.Container`, `map[string]string`."""
        if self.name:
            parts = self.name.split(".")
            return f"{parts[-2]}.{parts[-1]}"
        match self.type:
            case "integer":
                return self.format or "int64"
            case "number":
                return "float64"
            case "boolean":
                return "bool"
            case "string":
                return "[]uint8" if self.format == "byte" else "string"
            case "array":
                return f"[]{self.items.go_type if self.items else 'interface {}'}"
            case "object":
                return f"map[string]{self.additional.go_type if self.additional else 'interface {}'}"
            case _:
                return "interface {}"

    @property
    def struct_name(self) -> str:
        """The last part of the definition's name: `DeploymentSpec`."""
        return self.name.rpartition(".")[2]

    def at(self, path: str) -> Schema | None:
        """The schema of a field by its dotted path (`spec.template.spec.containers.image`), lists passed through.

        "" is this schema. None when there is no such field.
        """
        current: Schema | None = self
        for step in filter(None, path.split(".")):
            while current is not None and current.type == "array":
                current = current.items
            if current is None:
                return None
            current = current.child(step)
        return current

    def beside(self, raw: Raw) -> Schema:
        """A further schema for the same value, of an `allOf`, `anyOf`, `oneOf` or `not`. Compiled anew each time."""
        return self._compile(raw)

    def _compile(self, raw: Raw) -> Schema:
        reference = raw.get("$ref")
        if reference is None:
            return Schema(raw, self._resolve)
        target = self._resolve(reference)
        if len(raw) == 1:
            return target
        return Schema(target.raw, self._resolve, name=target.name, field=raw)

    def __repr__(self) -> str:
        return f"Schema({self.name or self.type or 'any'})"
