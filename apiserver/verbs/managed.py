"""metadata.managedFields of every write but apply: who changed which field."""

from __future__ import annotations

from typing import Any

from apiserver.resources.spec import ResourceSpec
from apiserver.verbs.context import RequestContext
from apiserver.verbs.parts import Parts
from machinery.patch.apply import record_update
from machinery.patch.fieldset import Path

Object = dict[str, Any]

_STATUS: tuple[Path, ...] = (("f:status",),)
_ALL_BUT_STATUS: tuple[Path, ...] = (("f:spec",), ("f:data",), ("f:metadata",))


def record(parts: Parts, context: RequestContext, old: Object | None, new: Object) -> Object:
    """`new` with what this request changed since `old` put to its manager's name."""
    schema = parts.schemas.of(context.spec)
    if schema is None:
        return new
    return record_update(
        schema,
        old,
        new,
        manager=manager_of(context),
        now=parts.clock.now(),
        subresource=context.subresource,
        ignore=unwritable(context.spec, context.subresource),
    )


def unwritable(spec: ResourceSpec, subresource: str) -> tuple[Path, ...]:
    """The fields that a write to the object, or to its status, cannot change and so cannot own."""
    if subresource == "status":
        return (("f:spec",),) if spec.strategy.status_writes_metadata else _ALL_BUT_STATUS
    return _STATUS if not subresource and spec.strategy.status_subresource else ()


def manager_of(context: RequestContext) -> str:
    """The field manager: as named, or the user agent's first word ("kubectl/v1.30" -> "kubectl")."""
    if context.field_manager:
        return context.field_manager
    agent = context.user_agent.partition("/")[0].strip()
    return agent[:128] or "unknown"
