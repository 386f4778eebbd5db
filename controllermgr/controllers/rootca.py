"""Every namespace has the ConfigMap `kube-root-ca.crt`: the certificates that a pod trusts the API by."""

from __future__ import annotations

from machinery.client.api import Object
from machinery.client.resources import CONFIG_MAPS, NAMESPACES
from machinery.controller import mapping
from machinery.controller.reconcile import DONE, Outcome
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import AlreadyExists, Forbidden, NotFound
from machinery.objects import meta

NAME = "kube-root-ca.crt"
FILE = "ca.crt"
SELECTION = f"metadata.name={NAME}"
DESCRIPTION = "kubernetes.io/description"
TEXT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the"
    " internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes"
    " clusters."
)


class RootCAPublisher:
    """The reconciler. Keys are namespaces'."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._pem: str = context.config["rootCA"]
        self._namespaces = context.informers.store(NAMESPACES)
        self._maps = context.informers.of(CONFIG_MAPS, field_selector=SELECTION).store

    async def reconcile(self, key: str) -> Outcome:
        namespace = self._namespaces.get(key)
        if not self._pem or namespace is None or meta.is_deleting(namespace):
            return DONE
        current = self._maps.get(meta.join_key(key, NAME))
        if current is None:
            await self._create(key)
        elif current.get("data") != {FILE: self._pem} or meta.annotation(current, DESCRIPTION) is None:
            changed = {**meta.with_annotations(current, {DESCRIPTION: TEXT}), "data": {FILE: self._pem}}
            try:
                await self._client.update(CONFIG_MAPS, changed)
            except NotFound:
                await self._create(key)
        return DONE

    async def _create(self, namespace: str) -> None:
        made: Object = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": namespace, "annotations": {DESCRIPTION: TEXT}},
            "data": {FILE: self._pem},
        }
        try:
            await self._client.create(CONFIG_MAPS, made)
        except AlreadyExists:
            return
        except Forbidden as error:
            if any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ()):
                return
            raise


SPEC = ControllerSpec(
    "root-ca-cert-publisher",
    make=RootCAPublisher,
    workers=1,
    aliases=("root-ca-certificate-publisher",),
    description="Publishes the API's certificate authority in every namespace",
    watches=(Watch(NAMESPACES), Watch(CONFIG_MAPS, mapping.namespace, field_selector=SELECTION)),
    config={"rootCA": ""},
)
