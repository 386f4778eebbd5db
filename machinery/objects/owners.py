"""Owner references: who made an object, and who goes with whom.

At most one reference has `controller: true`. A reference names its owner by uid: an object of the same name that was
made later is somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from machinery.objects import meta

Object = dict[str, Any]


def reference(owner: Mapping[str, Any], *, controller: bool = True, block: bool = True) -> Object:
    """The owner reference to `owner`; it must have been stored (it has a uid) and carry apiVersion and kind.

    `block` asks foreground deletion of the owner to wait for the dependent.
    """
    ref: Object = {
        "apiVersion": meta.api_version(owner),
        "kind": meta.kind(owner),
        "name": meta.name(owner),
        "uid": meta.uid(owner),
    }
    if controller:
        ref["controller"] = True
    if block:
        ref["blockOwnerDeletion"] = True
    return ref


def controller_of(o: Mapping[str, Any]) -> Object | None:
    """The reference with `controller: true`, None when nobody controls the object."""
    for ref in meta.owner_references(o):
        if ref.get("controller"):
            return ref
    return None


def controller_uid(o: Mapping[str, Any]) -> str:
    """The uid of the controlling owner, "" without one."""
    ref = controller_of(o)
    return str(ref.get("uid") or "") if ref else ""


def is_controlled_by(o: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    """Whether exactly this `owner` (by uid) controls `o`."""
    return bool(meta.uid(owner)) and controller_uid(o) == meta.uid(owner)


def is_owned_by(o: Mapping[str, Any], owner_uid: str) -> bool:
    """Whether any owner reference names this uid."""
    return any(ref.get("uid") == owner_uid for ref in meta.owner_references(o))


def controlled_by(objects: Iterable[Object], owner: Mapping[str, Any]) -> list[Object]:
    """Those of `objects` that `owner` controls, in the order given."""
    return [o for o in objects if is_controlled_by(o, owner)]


def adopt(o: Object, owner: Mapping[str, Any]) -> Object:
    """A copy that `owner` controls. ValueError when somebody else controls it."""
    current = controller_of(o)
    if current is not None and current.get("uid") != meta.uid(owner):
        raise ValueError(f"{meta.kind(o)} {meta.key(o)} is controlled by {current.get('kind')} {current.get('name')}")
    kept = [ref for ref in meta.owner_references(o) if ref.get("uid") != meta.uid(owner)]
    return {**o, "metadata": {**meta.metadata(o), "ownerReferences": [*kept, reference(owner)]}}


def release(o: Object, owner_uid: str) -> Object:
    """A copy without the reference to `owner_uid`; the object itself when there is none."""
    if not is_owned_by(o, owner_uid):
        return o
    kept = [ref for ref in meta.owner_references(o) if ref.get("uid") != owner_uid]
    changed = {**meta.metadata(o), "ownerReferences": kept}
    if not kept:
        del changed["ownerReferences"]
    return {**o, "metadata": changed}
