"""The definitions of the built-in kinds, from the packed file that the build extracts.

`builtin()` reads it once per process (5 ms for all 860 definitions); schemas are compiled as they are asked for.
Descriptions are a file of their own, read when something is first explained.
"""

from __future__ import annotations

import gzip
import pathlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import orjson

from machinery.objects.gvk import GVK
from machinery.schema.model import Raw, Schema

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"


class UnknownDefinition(KeyError):
    """There is no definition of that name."""


class Definitions:
    """Named definitions, compiled on demand. Compiled schemas are kept; the raw ones are never changed."""

    def __init__(self, raw: Mapping[str, Raw], *, version: str = "") -> None:
        self.raw = raw
        self.version = version
        self._compiled: dict[str, Schema] = {}
        self._names: dict[GVK, str] | None = None

    def __getitem__(self, name: str) -> Schema:
        """The schema of a definition. Raises UnknownDefinition."""
        found = self._compiled.get(name)
        if found is None:
            if name not in self.raw:
                raise UnknownDefinition(name)
            found = self._compiled[name] = Schema(self.raw[name], self.__getitem__, name=name)
        return found

    def __contains__(self, name: str) -> bool:
        return name in self.raw

    def name_of(self, kind: GVK) -> str:
        """The definition's name of a kind; "" when it is none of the built-in kinds."""
        if self._names is None:
            self._names = {each: name for name, raw in self.raw.items() for each in kinds_of(raw)}
        return self._names.get(kind, "")

    def of_kind(self, kind: GVK) -> Schema | None:
        """The schema of a kind; None when it is none of the built-in kinds."""
        name = self.name_of(kind)
        return self[name] if name else None

    def closure(self, names: Iterable[str]) -> dict[str, Raw]:
        """These definitions and all that they refer to, by name, sorted."""
        found: dict[str, Raw] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self.raw[name]
                waiting.extend(references(self.raw[name]))
        return dict(sorted(found.items()))


def kinds_of(raw: Raw) -> list[GVK]:
    """The kinds that a definition serves; most serve none, DeleteOptions serves one in every group."""
    listed = raw.get("x-kubernetes-group-version-kind") or ()
    return [GVK(each["group"], each["version"], each["kind"]) for each in listed]


def references(raw: Any) -> list[str]:
    """The names of the definitions that a schema refers to."""
    if isinstance(raw, Mapping):
        target = raw.get("$ref")
        found = [target] if isinstance(target, str) else []
        return found + [name for value in raw.values() for name in references(value)]
    if isinstance(raw, list):
        return [name for value in raw for name in references(value)]
    return []


@cache
def builtin() -> Definitions:
    """The definitions of the Kubernetes minor that is served. Shared by all clusters of a process, never changed."""
    document = _read("kubernetes.json.gz")
    return Definitions(document["definitions"], version=document["version"])


@cache
def descriptions() -> Mapping[str, Mapping[str, str]]:
    """Definition -> field ("" for itself) -> text."""
    return _read("descriptions.json.gz")


def _read(name: str) -> dict[str, Any]:
    packed = pathlib.Path(__file__).with_name(name).read_bytes()
    document: dict[str, Any] = orjson.loads(gzip.decompress(packed))
    return document
