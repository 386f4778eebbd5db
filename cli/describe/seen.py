"""What a description needs besides the object itself, read before it is written.

Describers are plain functions over an object and what was `Seen` with it; here is what is read for each kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from machinery.client.api import Client
from machinery.client.resources import (
    ENDPOINT_SLICES,
    EVENTS,
    LEASES,
    LIMIT_RANGES,
    PODS,
    REPLICA_SETS,
    RESOURCE_QUOTAS,
    SERVICES,
)
from machinery.errors import ApiError, Forbidden
from machinery.objects import selectors
from machinery.objects.gvk import GVR

Object = Mapping[str, Any]

SERVICE_NAME = "kubernetes.io/service-name"
MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True, slots=True)
class Seen:
    """Related objects, as far as the kind described asks for them.

    pods: None when the user may not list them. lease: the message of the refusal when it could not be read.
    events: None when they were not asked for."""

    now: datetime
    pods: Sequence[Object] | None = ()
    slices: Sequence[Object] = ()
    services: Sequence[Object] = ()
    quotas: Sequence[Object] = ()
    limit_ranges: Sequence[Object] = ()
    replica_sets: Sequence[Object] = ()
    lease: Object | str = ""
    events: Sequence[Object] | None = None


async def look(client: Client, kind: tuple[str, str], obj: Object, now: datetime, *, events: bool) -> Seen:
    """Everything that the description of this object wants to know. Raises ApiError."""
    found = await _events(client, kind, obj) if events else None
    about, spec = obj["metadata"], obj.get("spec") or {}
    name, namespace = about["name"], about.get("namespace", "")
    match kind:
        case ("", "Node"):
            pods = await _all(client, PODS, field_selector=_living(name))
            return Seen(now, pods, lease=await _lease(client, name), events=found)
        case ("", "Namespace"):
            quotas = await _all(client, RESOURCE_QUOTAS, namespace=name)
            ranges = await _all(client, LIMIT_RANGES, namespace=name)
            return Seen(now, quotas=quotas or (), limit_ranges=ranges or ())
        case ("", "Service"):
            slices = await _all(client, ENDPOINT_SLICES, namespace=namespace, label_selector=f"{SERVICE_NAME}={name}")
            return Seen(now, slices=slices or (), events=found)
        case ("networking.k8s.io", "Ingress"):
            slices = await _all(client, ENDPOINT_SLICES, namespace=namespace)
            services = await _all(client, SERVICES, namespace=namespace)
            return Seen(now, slices=slices or (), services=services or (), events=found)
        case ("", "PersistentVolumeClaim"):
            return Seen(now, await _all(client, PODS, namespace=namespace), events=found)
        case ("apps", "Deployment"):
            sets = await _owned(client, REPLICA_SETS, obj, selectors.from_label_selector(spec.get("selector")))
            return Seen(now, replica_sets=sets or (), events=found)
        case ("apps", "ReplicaSet" | "StatefulSet" | "DaemonSet"):
            pods = await _owned(client, PODS, obj, selectors.from_label_selector(spec.get("selector")))
            return Seen(now, pods, events=found)
        case ("", "ReplicationController"):
            pods = await _owned(client, PODS, obj, selectors.from_set(spec.get("selector") or {}))
            return Seen(now, pods, events=found)
    return Seen(now, events=found)


async def _all(client: Client, gvr: GVR, **options: str) -> Sequence[Object] | None:
    """The objects of a list, None when the user may not see them."""
    try:
        return (await client.list(gvr, **options)).items  # type: ignore[arg-type]  # all options used here are texts
    except Forbidden:
        return None


async def _owned(client: Client, gvr: GVR, obj: Object, selector: selectors.Selector) -> Sequence[Object] | None:
    """The objects that this one controls."""
    about = obj["metadata"]
    listed = await _all(client, gvr, namespace=about["namespace"], label_selector=str(selector))
    return None if listed is None else [each for each in listed if _controlled_by(each, about["uid"])]


def _controlled_by(obj: Object, uid: str) -> bool:
    owners = obj["metadata"].get("ownerReferences") or ()
    return any(owner.get("controller") and owner.get("uid") == uid for owner in owners)


def _living(node: str) -> str:
    return f"spec.nodeName={node},status.phase!=Failed,status.phase!=Succeeded"


async def _lease(client: Client, node: str) -> Object | str:
    try:
        return await client.get(LEASES, node, namespace="kube-node-lease")
    except ApiError as error:
        return error.message


async def _events(client: Client, kind: tuple[str, str], obj: Object) -> Sequence[Object]:
    about = obj["metadata"]
    uid = (about.get("annotations") or {}).get(MIRROR) or about["uid"]
    # the agent, which does not know the uid of its node, names it by its name
    uids = [uid, about["name"]] if kind == ("", "Node") else [uid]
    found: list[Object] = []
    for each in uids:
        chosen = {
            "involvedObject.name": about["name"],
            "involvedObject.namespace": about.get("namespace", ""),
            "involvedObject.uid": each,
        }
        if kind != ("", "Pod"):  # an event of a container's field is of a pod too, whatever it calls its kind
            chosen["involvedObject.kind"] = kind[1]
        selector = ",".join(f"{key}={value}" for key, value in chosen.items())
        found += await _all(client, EVENTS, namespace=about.get("namespace", ""), field_selector=selector) or ()
    return found
