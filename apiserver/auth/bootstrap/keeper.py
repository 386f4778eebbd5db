"""The actor that keeps the default roles in place and the sums of roles true.

At start it brings the store to what `reconcile.plan` says; then every change of a ClusterRole makes it compare the sums
with their parts, once for any number of changes that came meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from actors import Actor, MailboxSpec, Overflow
from apiserver.auth.api import Caches
from apiserver.auth.bootstrap.aggregation import settle
from apiserver.auth.bootstrap.reconcile import plan
from apiserver.auth.rbac import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES
from machinery.errors import Conflict, NotFound
from machinery.objects import meta

Object = dict[str, Any]

RESOURCES = {
    "ClusterRole": CLUSTER_ROLES,
    "ClusterRoleBinding": CLUSTER_ROLE_BINDINGS,
    "Role": ROLES,
    "RoleBinding": ROLE_BINDINGS,
}


class RoleWriter(Protocol):
    """How the keeper writes; with the server's own rights."""

    async def create_all(self, objects: Sequence[Object]) -> None:
        """Create these, as few transactions as possible; one that exists already is left as it is."""

    async def update(self, obj: Object) -> None:
        """Replace one, at the resourceVersion it has. Raises Conflict, NotFound."""

    async def delete(self, obj: Object) -> None:
        """Delete one by kind, namespace and name; one that is not there is no error."""


@dataclass(frozen=True, slots=True)
class RolesChanged:
    """Some ClusterRole is not what it was."""


class RoleKeeper(Actor):
    """One per apiserver. Start it when the caches of the four RBAC kinds have loaded."""

    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=1, overflow=Overflow.COALESCE, key=type)

    def __init__(self, caches: Caches, writer: RoleWriter) -> None:
        self._caches = caches
        self._writer = writer
        self._unsubscribe: Callable[[], None] | None = None

    async def setup(self) -> None:
        todo = plan(lambda kind, namespace, name: self._caches.get(RESOURCES[kind], namespace, name))
        for obj in todo.replace:
            await self._writer.delete(obj)
        await self._writer.create_all([*todo.create, *todo.replace])
        for obj in todo.update:
            await self._write(obj)
        self._unsubscribe = self._caches.subscribe(CLUSTER_ROLES, self._changed)

    async def handle(self, message: RolesChanged) -> None:
        roles = {meta.name(role): role for role in self._caches.list(CLUSTER_ROLES)}
        for role in settle(roles).values():
            await self._write(role)

    async def teardown(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _changed(self, event: str, role: Object) -> None:
        self.ref.tell_nowait(RolesChanged())

    async def _write(self, obj: Object) -> None:
        try:
            await self._writer.update(obj)
        except (Conflict, NotFound):
            # Somebody wrote it meanwhile: that change is a message of its own.
            return
