"""Who owns whom, over all kinds: a graph by uid. Pure.

Objects are nodes; owner references are edges from dependents to owners. An owner that was referred to and not yet seen
is a *virtual* node: it may be of a kind not seen yet, or gone, or never have been; somebody has to look. Every change
answers the keys that need looking at:

    delete UID    may this object go (its owners are gone), or can its foreground deletion be finished?
    orphan UID    its dependents shall be set free
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from machinery.client.api import Object
from machinery.objects import meta
from machinery.objects.gvk import GVR

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
"""The finalizers by which a deletion says what is to become of the dependents."""


def delete_key(uid: str) -> str:
    """The key to look at an object by."""
    return f"delete {uid}"


def orphan_key(uid: str) -> str:
    """The key to free an object's dependents by."""
    return f"orphan {uid}"


@dataclass(slots=True, eq=False)
class Node:
    """One object, as far as ownership is concerned.

    namespace: of a virtual node that of the first dependent seen; its kind may turn out to have none.
    resource: None for virtual nodes.
    """

    uid: str
    api_version: str
    kind: str
    namespace: str
    name: str
    resource: GVR | None = None
    owners: list[Object] = field(default_factory=list)
    dependents: dict[str, Node] = field(default_factory=dict)
    deleting: bool = False
    foreground: bool = False
    """Whether it is being deleted and waits for its dependents."""

    @property
    def virtual(self) -> bool:
        """Whether only references to it were seen."""
        return self.resource is None

    def blocks(self, owner_uid: str) -> bool:
        """Whether the foreground deletion of that owner has to wait for this object."""
        return any(ref.get("uid") == owner_uid and ref.get("blockOwnerDeletion") for ref in self.owners)

    def blocking_dependents(self) -> list[Node]:
        """The dependents that this object's foreground deletion waits for."""
        return [each for each in self.dependents.values() if each.blocks(self.uid)]


class Graph:
    """All nodes. Only the collector changes it, and never across an await."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, uid: str) -> Node | None:
        """The node of that uid."""
        return self._nodes.get(uid)

    def observed(self, resource: GVR, obj: Object) -> list[str]:
        """An object was added or changed. Answers the keys to look at."""
        uid = meta.uid(obj)
        wake: list[str] = []
        node = self._nodes.get(uid)
        if node is None:
            node = self._nodes[uid] = Node(uid, "", "", "", "")
        if node.virtual:
            node.api_version, node.kind = meta.api_version(obj), meta.kind(obj)
            node.namespace, node.name = meta.namespace(obj), meta.name(obj)
            node.resource = resource
            # A dependent whose reference names it wrongly refers to nobody, and may have to go.
            wake += [delete_key(each.uid) for each in node.dependents.values() if not _names(each, node)]
        if (owners := meta.owner_references(obj)) != node.owners:
            wake += self._change_owners(node, owners)
        if meta.is_deleting(obj):
            wake += self._deleting(node, obj)
        return wake

    def vanished(self, uid: str) -> list[str]:
        """An object is gone. Answers the keys to look at: its dependents', and owners' that waited for it."""
        node = self._nodes.pop(uid, None)
        if node is None:
            return []
        wake = self._leave(node, (ref.get("uid", "") for ref in node.owners))
        return wake + [delete_key(each) for each in node.dependents]

    def _change_owners(self, node: Node, owners: list[Object]) -> list[str]:
        before = {str(ref.get("uid")) for ref in node.owners}
        after = {str(ref.get("uid")) for ref in owners}
        node.owners = owners
        wake = self._leave(node, before - after)
        for ref in owners:
            uid = str(ref.get("uid"))
            owner = self._nodes.get(uid)
            if owner is None:
                owner = self._nodes[uid] = _virtual(ref, node.namespace)
                wake.append(delete_key(uid))
            elif uid in before and owner.foreground:
                wake.append(delete_key(uid))  # it may block no longer
            elif uid not in before and (owner.foreground or not (owner.virtual or _names(node, owner))):
                wake.append(delete_key(node.uid))
            owner.dependents[node.uid] = node
        return wake

    def _leave(self, node: Node, owner_uids: Iterable[str]) -> list[str]:
        wake = []
        for uid in owner_uids:
            owner = self._nodes.get(uid)
            if owner is None:
                continue
            owner.dependents.pop(node.uid, None)
            if owner.virtual and not owner.dependents:
                del self._nodes[uid]
            elif owner.foreground:
                wake.append(delete_key(uid))
        return wake

    def _deleting(self, node: Node, obj: Object) -> list[str]:
        node.deleting = True
        wake = [orphan_key(node.uid)] if meta.has_finalizer(obj, ORPHAN) else []
        if meta.has_finalizer(obj, FOREGROUND):
            if not node.foreground:
                node.foreground = True
                wake += [delete_key(each) for each in node.dependents]
            wake.append(delete_key(node.uid))
        return wake


def _virtual(ref: Mapping[str, Any], namespace: str) -> Node:
    return Node(
        str(ref.get("uid")), ref.get("apiVersion") or "", ref.get("kind") or "", namespace, ref.get("name") or ""
    )


def _names(dependent: Node, owner: Node) -> bool:
    """Whether the dependent's reference says who its owner really is. The version does not matter."""
    group = owner.api_version.rpartition("/")[0]
    for ref in dependent.owners:
        if ref.get("uid") == owner.uid:
            right = (ref.get("kind"), ref.get("name")) == (owner.kind, owner.name)
            in_reach = not owner.namespace or owner.namespace == dependent.namespace
            return right and in_reach and str(ref.get("apiVersion") or "").rpartition("/")[0] == group
    return True
