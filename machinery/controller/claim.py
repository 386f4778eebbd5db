"""Who belongs to whom: adopting orphans that a selector matches, releasing what it no longer matches.

The rule is client-go's ControllerRefManager: the owner reference with `controller: true` decides, a selector alone owns
nothing. An owner that is being deleted adopts nobody, and before the first adoption the owner is read afresh, because
the cached one may be a predecessor of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from machinery.client.api import Client, Object, PatchType
from machinery.errors import Conflict, Invalid, NotFound
from machinery.informer import Store
from machinery.objects import meta, owners
from machinery.objects.gvk import GVR
from machinery.objects.selectors import Selector


def _matcher(selector: Selector) -> Callable[[Mapping[str, str]], bool]:
    """The selector as a function; nearly all of them only ask for labels of one value, which is one comparison."""
    wanted = {each.key: value for each in selector.requirements if (value := selector.exact(each.key)) is not None}
    if selector.none or len(wanted) != len(selector.requirements):
        return selector.matches
    items = wanted.items()
    return lambda labels: items <= labels.items()


class Claimer:
    """Claims objects of `resource` (in `store`, with the index BY_CONTROLLER) for owners of `owner_resource`."""

    def __init__(
        self, client: Client, owner_resource: GVR, resource: GVR, store: Store, *, finalizers: Iterable[str] = ()
    ) -> None:
        self._client = client
        self._owner_resource = owner_resource
        self._resource = resource
        self._store = store
        self._finalizers = tuple(finalizers)

    async def claim(
        self, owner: Object, selector: Selector, *, suits: Callable[[Object], bool] = lambda obj: True
    ) -> list[Object]:
        """What `owner` controls from now on: what it controlled and still selects, and the orphans it could adopt.

        suits: a further condition; what it refuses is left alone and left out.
        Raises ApiError when adoption or release failed for another reason than that the object is gone or changed.
        """
        claimed: list[Object] = []
        selects = _matcher(selector)
        for obj in self._store.controlled_by(meta.uid(owner)):
            if not suits(obj):
                continue
            if selects(meta.labels(obj)):
                claimed.append(obj)
            elif not meta.is_deleting(owner):
                await self._release(owner, obj)
        if meta.is_deleting(owner):
            return claimed
        fresh = False
        for obj in self._store.orphans(meta.namespace(owner)):
            if meta.is_deleting(obj) or not selects(meta.labels(obj)) or not suits(obj):
                continue
            if not fresh:
                if not await self._still_there(owner):
                    return claimed
                fresh = True
            adopted = await self._adopt(owner, obj)
            if adopted is not None:
                claimed.append(adopted)
        return claimed

    async def _still_there(self, owner: Object) -> bool:
        try:
            current = await self._client.get(self._owner_resource, meta.name(owner), namespace=meta.namespace(owner))
        except NotFound:
            return False
        return meta.uid(current) == meta.uid(owner) and not meta.is_deleting(current)

    async def _adopt(self, owner: Object, obj: Object) -> Object | None:
        # The uid in the patch is a precondition: a successor of the same name is not adopted by mistake.
        metadata: Object = {"ownerReferences": [owners.reference(owner)], "uid": meta.uid(obj)}
        if self._finalizers:
            metadata["finalizers"] = list(self._finalizers)
        try:
            return await self._patch(obj, {"metadata": metadata})
        except (NotFound, Conflict, Invalid):
            return None

    async def _release(self, owner: Object, obj: Object) -> None:
        refs = [{"$patch": "delete", "uid": meta.uid(owner)}]
        metadata: Object = {"ownerReferences": refs, "uid": meta.uid(obj)}
        if self._finalizers:
            metadata["$deleteFromPrimitiveList/finalizers"] = list(self._finalizers)
        try:
            await self._patch(obj, {"metadata": metadata})
        except (NotFound, Conflict, Invalid):
            return

    async def _patch(self, obj: Object, patch: Object) -> Object:
        return await self._client.patch(
            self._resource, meta.name(obj), patch, PatchType.STRATEGIC, namespace=meta.namespace(obj)
        )
