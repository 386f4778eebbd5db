"""Every namespace has its service accounts (`default`)."""

from __future__ import annotations

from machinery.client.resources import NAMESPACES, SERVICE_ACCOUNTS
from machinery.controller import mapping
from machinery.controller.reconcile import DONE, Outcome
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import AlreadyExists, Forbidden
from machinery.informer import Change
from machinery.objects import meta


def gone(change: Change) -> bool:
    """Only a deleted account can be missing."""
    return change.deleted


class ServiceAccounts:
    """The reconciler. Keys are namespaces'."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._names: tuple[str, ...] = tuple(context.config["names"])
        self._namespaces = context.informers.store(NAMESPACES)
        self._accounts = context.informers.store(SERVICE_ACCOUNTS)

    async def reconcile(self, key: str) -> Outcome:
        namespace = self._namespaces.get(key)
        if namespace is None or meta.is_deleting(namespace):
            return DONE
        for name in self._names:
            if meta.join_key(key, name) in self._accounts:
                continue
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": key}}
            try:
                await self._client.create(SERVICE_ACCOUNTS, account)
            except AlreadyExists:
                continue
            except Forbidden as error:
                if any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ()):
                    return DONE
                raise
        return DONE


SPEC = ControllerSpec(
    "serviceaccount",
    make=ServiceAccounts,
    workers=1,
    component="service-account-controller",
    description="Makes the default service account of every namespace",
    watches=(Watch(NAMESPACES), Watch(SERVICE_ACCOUNTS, mapping.namespace, when=gone)),
    config={"names": ("default",)},
)
