"""The row of one resource: everything the server knows of a kind before it has seen an object of it.

`registry.RESOURCES` holds a row per built-in kind; a CustomResourceDefinition makes one at run time. Edges, verbs,
admission, discovery, Tables and RBAC read rows and never ask for a kind by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from machinery.objects.gvk import GVK, GVR

if TYPE_CHECKING:
    from apiserver.resources.strategy import Strategy

Object = dict[str, Any]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a Table: kubectl shows priority 0, and the rest with `-o wide`.

    cell: the object -> str, int or bool. A cell with `age` answers the timestamp, and the table turns it to an age.
    timed: for a cell that depends on the time otherwise ("3 (5m ago)"): (object, now) -> cell; used instead of `cell`.
    """

    name: str
    type: str
    description: str
    cell: Callable[[Object], Any]
    format: str = ""
    priority: int = 0
    age: bool = False
    timed: Callable[[Object, datetime], Any] | None = None


@dataclass(frozen=True, slots=True)
class SubresourceSpec:
    """A subresource in discovery: its verbs, and its kind when it is not the parent's (Scale, Binding, Eviction)."""

    name: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    kind: GVK | None = None


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """A served resource.

    schema: the definition's name in the packed schemas ("io.k8s.api.core.v1.Pod"); "" for a custom resource.
    structural: a custom resource's structural schema; None for built-in kinds.
    storage: the part of the etcd key after /registry ("pods", "services/specs", "minions", "GROUP/RESOURCE");
        "" for kinds that are answered and never stored (reviews).
    stored_as: the kind that is stored when it is another one (autoscaling/v1 as v2); then
        `to_storage` and `from_storage` translate whole objects (their argument stays); both rows share `storage`.
    deprecation: what every answer warns of ("v1 Endpoints is deprecated in v1.33+; ..."); "" for most kinds.
    selectable: field selectors this kind takes beyond metadata.name and .namespace: label -> value of an object.
    """

    gvr: GVR
    kind: str
    singular: str
    namespaced: bool
    strategy: Strategy
    schema: str = ""
    structural: Mapping[str, Any] | None = None
    storage: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: Mapping[str, SubresourceSpec] = field(default_factory=dict)
    columns: Sequence[Column] = ()
    selectable: Mapping[str, Callable[[Object], str]] = field(default_factory=dict)
    list_kind: str = ""
    deprecation: str = ""
    stored_as: GVK | None = None
    to_storage: Callable[[Object], Object] | None = None
    from_storage: Callable[[Object], Object] | None = None

    @property
    def gvk(self) -> GVK:
        return GVK(self.gvr.group, self.gvr.version, self.kind)

    @property
    def list_gvk(self) -> GVK:
        return GVK(self.gvr.group, self.gvr.version, self.list_kind or f"{self.kind}List")
