"""The history of a StatefulSet or DaemonSet: a ControllerRevision for each template it has had.

A revision's `data` is a strategic merge patch that puts its template back (`kubectl rollout undo` applies it); equal
data is the same revision, whatever its number. Names end in a hash of the data; `collisionCount` in the owner's status
makes another name when two templates met in one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from machinery.client.api import Client, DeleteOptions, Object
from machinery.client.resources import CONTROLLER_REVISIONS
from machinery.errors import AlreadyExists, NotFound
from machinery.informer import Store
from machinery.objects import meta, names, owners, workload

HASH_LABEL = "controller.kubernetes.io/hash"


@dataclass(frozen=True, slots=True)
class History:
    """current: the revision of the owner's template. others: all further ones, the oldest first.

    collisions: the owner's collisionCount, None when there never was a collision.
    """

    current: Object
    others: Sequence[Object]
    collisions: int | None


def data_of(owner: Object) -> Object:
    """The patch that puts the owner's template back."""
    return {"spec": {"template": {**workload.template(owner), "$patch": "replace"}}}


def template_of(revision: Object) -> Object:
    """The template that a revision holds."""
    template = ((revision.get("data") or {}).get("spec") or {}).get("template") or {}
    return {key: value for key, value in template.items() if key != "$patch"}


def number(revision: Object) -> int:
    """The revision's number; the highest is the newest."""
    return int(revision.get("revision") or 0)


def digest(data: Object, collisions: int | None) -> str:
    """The hash that a revision of this data is named after."""
    return names.template_hash(data, collisions)


def build(owner: Object, number: int, collisions: int | None, *, label: str) -> Object:
    """A new revision of the owner's template, named after its hash, which stands under `label` too."""
    data = data_of(owner)
    hashed = digest(data, collisions)
    labels = ((workload.template(owner).get("metadata") or {}).get("labels")) or {}
    revision: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{meta.name(owner)}-{hashed}",
            "namespace": meta.namespace(owner),
            "labels": {**labels, label: hashed},
            "annotations": dict(meta.annotations(owner)),
            "ownerReferences": [owners.reference(owner)],
        },
        "data": data,
        "revision": number,
    }
    if not revision["metadata"]["annotations"]:
        del revision["metadata"]["annotations"]
    return revision


def sort(revisions: Iterable[Object]) -> list[Object]:
    """The oldest first; equal numbers by age, then by name."""
    return sorted(
        revisions, key=lambda each: (number(each), meta.metadata(each).get("creationTimestamp") or "", meta.name(each))
    )


def surplus(others: Sequence[Object], live: Iterable[str], limit: int) -> list[Object]:
    """The revisions to delete so that no more than `limit` are kept beside those whose names are in `live`."""
    used = set(live)
    unused = [each for each in others if meta.name(each) not in used]
    return unused[: max(0, len(unused) - limit)]


class Historian:
    """Keeps revisions true. `label` is the label that their hash goes under."""

    def __init__(self, client: Client, store: Store, *, label: str) -> None:
        self._client = client
        self._store = store
        self._label = label

    async def sync(self, owner: Object) -> History:
        """Find or make the revision of the owner's template, and give it the highest number.

        A template that came back gets its old revision under a new number. Raises ApiError.
        """
        known = sort(self._store.controlled_by(meta.uid(owner)))
        collisions = workload.status(owner).get("collisionCount")
        data = data_of(owner)
        highest = number(known[-1]) if known else 0
        for each in reversed(known):
            if each.get("data") == data:
                current = each
                if number(each) < highest:
                    current = await self._client.update(CONTROLLER_REVISIONS, {**each, "revision": highest + 1})
                return History(current, [other for other in known if other is not each], collisions)
        current, collisions = await self._create(owner, highest + 1, collisions)
        return History(current, [other for other in known if meta.name(other) != meta.name(current)], collisions)

    async def clean_up(self, owner: Object, history: History, live: Iterable[str]) -> None:
        """Delete revisions beyond `revisionHistoryLimit` that no pod (by revision name in `live`) is of."""
        for each in surplus(history.others, live, workload.history_limit(owner)):
            options = DeleteOptions(uid=meta.uid(each))
            try:
                await self._client.delete(
                    CONTROLLER_REVISIONS, meta.name(each), namespace=meta.namespace(each), options=options
                )
            except NotFound:
                continue

    async def _create(self, owner: Object, number: int, collisions: int | None) -> tuple[Object, int | None]:
        while True:
            wanted = build(owner, number, collisions, label=self._label)
            try:
                return await self._client.create(CONTROLLER_REVISIONS, wanted), collisions
            except AlreadyExists:
                try:
                    existing = await self._client.get(
                        CONTROLLER_REVISIONS, meta.name(wanted), namespace=meta.namespace(owner)
                    )
                except NotFound:
                    continue
                if owners.is_controlled_by(existing, owner) and existing.get("data") == wanted["data"]:
                    return existing, collisions  # the cache had not shown it yet
                collisions = (collisions or 0) + 1
