"""Writing rows shortly: what follows from a built-in kind's group and name, and the subresources that recur."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apiserver.resources.spec import ALL_VERBS, Column, ResourceSpec, SubresourceSpec
from apiserver.resources.strategy import Strategy
from machinery.objects.gvk import GVK, GVR

STATUS = SubresourceSpec("status")
SCALE = SubresourceSpec("scale", kind=GVK("autoscaling", "v1", "Scale"))
ALL = ("all",)
"""The category that `kubectl get all` asks for."""
EXTENSIONS = ("api-extensions",)

Selectable = Mapping[str, Callable[[dict[str, Any]], str]]


def built_in(
    api_version: str,
    kind: str,
    resource: str,
    *,
    strategy: Strategy,
    namespaced: bool = True,
    singular: str = "",
    short: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    verbs: tuple[str, ...] = ALL_VERBS,
    subresources: Sequence[SubresourceSpec] = (),
    storage: str | None = None,
    columns: Sequence[Column] = (),
    selectable: Selectable | None = None,
    list_kind: str = "",
    deprecation: str = "",
    stored_as: GVK | None = None,
    to_storage: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    from_storage: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> ResourceSpec:
    """The row of a built-in kind.

    The etcd prefix is the bare plural unless `storage` says otherwise, as in kube-apiserver's layout; the schema's name
    follows from the group (`rbac.authorization.k8s.io/v1` -> `io.k8s.api.rbac.v1`).
    """
    group, _, version = api_version.rpartition("/")
    return ResourceSpec(
        gvr=GVR(group, version, resource),
        kind=kind,
        singular=singular or kind.lower(),
        namespaced=namespaced,
        strategy=strategy,
        schema=schema_name(group, version, kind),
        storage=resource if storage is None else storage,
        short_names=short,
        categories=categories,
        verbs=verbs,
        subresources={each.name: each for each in subresources},
        columns=columns,
        selectable=selectable or {},
        list_kind=list_kind,
        deprecation=deprecation,
        stored_as=stored_as,
        to_storage=to_storage,
        from_storage=from_storage,
    )


def schema_name(group: str, version: str, kind: str) -> str:
    """The name of a kind's definition in the packed schemas."""
    if group == "apiextensions.k8s.io":
        return f"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind}"
    return f"io.k8s.api.{group.partition('.')[0] or 'core'}.{version}.{kind}"


def text(*path: str) -> Callable[[dict[str, Any]], str]:
    """A field selector's value: the text at this path, "" when absent."""

    def read(obj: dict[str, Any]) -> str:
        value: Any = obj
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        return "" if value is None else str(value)

    return read
