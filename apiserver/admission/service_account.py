"""ServiceAccount: every pod runs as one, and finds its token where client libraries look for it.

Rules and texts: kube-apiserver `plugin/pkg/admission/serviceaccount`. An account that is not there yet is waited for a
moment: the controller makes `default` right after its namespace.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from actors import Clock
from apiserver.admission.api import AdmissionRequest, Plugin
from apiserver.storage.caches import WatchCaches
from machinery.errors import forbidden
from machinery.objects import meta, names
from machinery.objects import pod as pods
from machinery.objects.gvk import GVR

Object = dict[str, Any]

ACCOUNTS = GVR("", "v1", "serviceaccounts")
PODS = GVR("", "v1", "pods")
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_VOLUME = "kube-api-access-"
_TOKEN_SECONDS = 3607
_PATIENCE_SECONDS = 1.0


class ServiceAccount(Plugin):
    """See the module."""

    name = "ServiceAccount"

    def __init__(self, caches: WatchCaches, clock: Clock, randomness: Random) -> None:
        self._caches = caches
        self._clock = clock
        self._randomness = randomness

    def wants(self, request: AdmissionRequest) -> bool:
        return request.operation == "CREATE" and request.resource == "pods"

    async def mutate(self, request: AdmissionRequest) -> None:
        pod = request.obj
        assert pod is not None  # a creation has an object
        spec = pod["spec"]
        if pods.is_mirror(pod):
            self._check_mirror(request, spec)
            return
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._account(request, name)
        if _automounts(account, spec):
            self._mount(spec)
        if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
            spec["imagePullSecrets"] = meta.deep_copy({"list": account["imagePullSecrets"]})["list"]

    def _check_mirror(self, request: AdmissionRequest, spec: Object) -> None:
        if spec.get("serviceAccountName"):
            raise forbidden(PODS, meta.name(request.obj or {}), "a mirror pod may not reference service accounts")
        if any("secret" in volume for volume in spec.get("volumes") or []):
            raise forbidden(PODS, meta.name(request.obj or {}), "a mirror pod may not reference secrets")

    async def _account(self, request: AdmissionRequest, name: str) -> Object:
        found = self._caches.get(ACCOUNTS, request.namespace, name)
        found = found or await self._caches.fetch(ACCOUNTS, request.namespace, name)
        if found is None and not request.context.dry_run:
            found = await self._appears(request.namespace, name)
        if found is None:
            why = f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden(PODS, meta.name(request.obj or {}), why)
        return found

    async def _appears(self, namespace: str, name: str) -> Object | None:
        """The account when it is made within a moment."""
        made: asyncio.Future[Object] = asyncio.get_running_loop().create_future()

        def look(event: str, account: Object) -> None:
            if not made.done() and event != "DELETED" and meta.key(account) == f"{namespace}/{name}":
                made.set_result(account)

        stop = self._caches.subscribe(ACCOUNTS, look)
        try:
            # Real time also under a clock that stands still: nobody would move it while this request waits.
            async with self._clock.patience(_PATIENCE_SECONDS):
                return await made
        except TimeoutError:
            return None
        finally:
            stop()

    def _mount(self, spec: Object) -> None:
        volumes = spec.get("volumes") or []
        name = next((each["name"] for each in volumes if each["name"].startswith(_VOLUME)), "")
        volume = name or _VOLUME + names.suffix(self._randomness)
        mounted = False
        for container in (*(spec.get("initContainers") or []), *(spec.get("containers") or [])):
            mounts = container.get("volumeMounts") or []
            if any(each.get("mountPath") == MOUNT_PATH for each in mounts):
                continue
            mount = {"name": volume, "readOnly": True, "mountPath": MOUNT_PATH}
            container["volumeMounts"] = [*mounts, mount]
            mounted = True
        if mounted and not name:
            spec["volumes"] = [*volumes, _token_volume(volume)]


def _automounts(account: Object, spec: Object) -> bool:
    """The pod decides, then the account; by default a token is mounted."""
    for holder in (spec, account):
        if holder.get("automountServiceAccountToken") is not None:
            return bool(holder["automountServiceAccountToken"])
    return True


def _token_volume(name: str) -> Object:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [namespace]}},
            ],
            "defaultMode": 420,
        },
    }
