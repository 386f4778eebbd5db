"""`VerbService`: the verbs of one server, each in its own file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from apiserver.representation import render
from apiserver.verbs import create as _create
from apiserver.verbs import delete as _delete
from apiserver.verbs import deletecollection as _deletecollection
from apiserver.verbs import gate as _gate
from apiserver.verbs import get as _get
from apiserver.verbs import list as _list
from apiserver.verbs import logs as _logs
from apiserver.verbs import patch as _patch
from apiserver.verbs import update as _update
from apiserver.verbs import watch as _watch
from apiserver.verbs.context import RequestContext, Written
from apiserver.verbs.options import ListOptions, WatchItem, WatchOptions
from apiserver.verbs.parts import Parts
from machinery.client.api import PatchType, Representation


class VerbService:
    """Implements `api.Verbs`, where the rules are."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def enter(self, context: RequestContext) -> None:
        _gate.enter(self.parts, context)

    async def get(
        self,
        context: RequestContext,
        *,
        resource_version: str = "",
        representation: Representation = Representation.OBJECT,
        include_object: str = "Metadata",
    ) -> bytes:
        return await _get.get(
            self.parts,
            context,
            resource_version=resource_version,
            representation=representation,
            include_object=include_object,
        )

    async def list(
        self,
        context: RequestContext,
        options: ListOptions,
        *,
        representation: Representation = Representation.OBJECT,
        include_object: str = "Metadata",
    ) -> bytes:
        return await _list.list_objects(
            self.parts, context, options, representation=representation, include_object=include_object
        )

    async def watch(
        self,
        context: RequestContext,
        options: WatchOptions,
        *,
        representation: Representation = Representation.OBJECT,
        include_object: str = "Metadata",
    ) -> AsyncIterator[Sequence[WatchItem]]:
        return await _watch.watch(
            self.parts, context, options, representation=representation, include_object=include_object
        )

    async def create(self, context: RequestContext, body: bytes) -> Written:
        return await _create.create(self.parts, context, body)

    async def update(self, context: RequestContext, body: bytes) -> Written:
        return await _update.update(self.parts, context, body)

    async def patch(
        self, context: RequestContext, body: bytes, *, patch_type: PatchType, force: bool = False
    ) -> Written:
        return await _patch.patch(self.parts, context, body, patch_type=patch_type, force=force)

    async def delete(self, context: RequestContext, options: Mapping[str, Any] | None = None) -> Written:
        return await _delete.delete(self.parts, context, options)

    async def deletecollection(
        self, context: RequestContext, options: ListOptions, delete_options: Mapping[str, Any] | None = None
    ) -> Written:
        return await _deletecollection.deletecollection(self.parts, context, options, delete_options)

    async def logs(self, context: RequestContext, options: Mapping[str, str]) -> AsyncIterator[bytes]:
        return await _logs.logs(self.parts, context, options)

    def represent(
        self,
        context: RequestContext,
        body: bytes,
        *,
        representation: Representation,
        include_object: str = "Metadata",
    ) -> bytes:
        return render.one(
            context.spec,
            body,
            representation=representation,
            include_object=include_object,
            now=self.parts.clock.now(),
        )
