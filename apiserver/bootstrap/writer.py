"""Writing with the server's own rights, past authorization and admission: for what the server itself keeps in place."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from random import Random
from typing import Any

from actors import Clock
from apiserver.resources.lookup import Resources
from apiserver.resources.spec import ResourceSpec
from apiserver.storage.keys import key_of
from apiserver.storage.store import Removed, Store, Stored, stored_value
from apiserver.verbs.context import RequestContext, UserInfo
from machinery.errors import STALE, NotFound, conflict
from machinery.objects import meta, timefmt
from machinery.objects.gvk import gvk_of

Object = dict[str, Any]

MASTER = UserInfo("system:apiserver", ("system:masters", "system:authenticated"))
_PER_TRANSACTION = 100


class SystemWriter:
    """Implements `auth.bootstrap.keeper.RoleWriter`. Nothing here is validated: the objects are the server's own."""

    def __init__(self, store: Store, resources: Resources, clock: Clock, randomness: Random) -> None:
        self._store = store
        self._resources = resources
        self._clock = clock
        self._randomness = randomness

    async def create_all(self, objects: Sequence[Object]) -> None:
        """Create these, as few transactions as possible; one that exists already is left as it is."""
        pairs = [self._pair(obj) for obj in objects]
        for at in range(0, len(pairs), _PER_TRANSACTION):
            some = pairs[at : at + _PER_TRANSACTION]
            if not await self._store.etcd.create_all(some):
                for key, value in some:
                    await self._store.etcd.create(key, value)

    async def update(self, obj: Object) -> None:
        """Replace one, at the resourceVersion it has. Raises Conflict, NotFound."""
        spec = self._spec(obj)

        async def change(stored: Stored) -> Object:
            if meta.resource_version(stored.obj) != meta.resource_version(obj):
                raise conflict(spec.gvr, meta.name(obj), STALE)
            return obj

        await self._store.update(spec, meta.namespace(obj), meta.name(obj), change)

    async def delete(self, obj: Object) -> None:
        """Delete one by kind, namespace and name; one that is not there is no error."""

        async def change(stored: Stored) -> Object:
            raise Removed(stored.obj)

        try:
            await self._store.update(self._spec(obj), meta.namespace(obj), meta.name(obj), change)
        except NotFound:
            return

    def _spec(self, obj: Object) -> ResourceSpec:
        spec = self._resources.by_kind(gvk_of(obj))
        if spec is None:
            raise LookupError(f"no resource of kind {gvk_of(obj)}")
        return spec

    def _pair(self, obj: Object) -> tuple[bytes, bytes]:
        spec = self._spec(obj)
        new = meta.deep_copy(obj)
        new["metadata"]["uid"] = str(uuid.UUID(int=self._randomness.getrandbits(128), version=4))
        new["metadata"]["creationTimestamp"] = timefmt.format(self._clock.now())
        spec.strategy.default(new)
        spec.strategy.prepare_create(RequestContext(spec, "create", MASTER), new)
        return key_of(spec, meta.namespace(new), meta.name(new)), stored_value(spec, new)
