"""The core group, pods and nodes apart."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.resources.columns.build import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    at,
    containers,
    count,
    labels,
    number,
    since,
    some,
    text,
    timed,
    wide,
)
from apiserver.resources.spec import Column
from machinery.objects import meta

Object = dict[str, Any]

_MODES = (
    ("ReadWriteOnce", "RWO"),
    ("ReadOnlyMany", "ROX"),
    ("ReadWriteMany", "RWX"),
    ("ReadWriteOncePod", "RWOP"),
)


def external_ip(service: Object) -> str:
    """Where a service is reached from outside."""
    spec = service.get("spec") or {}
    outside = spec.get("externalIPs") or []
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return ",".join(outside) or NONE
        case "LoadBalancer":
            given = load_balancer(service)
            return ",".join([*([given] if given else []), *outside]) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName") or "")
    return UNKNOWN


def load_balancer(obj: Object) -> str:
    """The addresses in a load balancer status, sorted; "" for none."""
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return ",".join(sorted({each.get("ip") or each.get("hostname") or "" for each in ingress} - {""}))


def ports(service: Object) -> str:
    """`80:31000/TCP,443/TCP`."""
    listed = (service.get("spec") or {}).get("ports") or []
    return ",".join(_port(each) for each in listed) or NONE


def _port(port: Object) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}"


def _endpoints(obj: Object) -> str:
    listed = [
        f"[{address['ip']}]:{port['port']}" if ":" in address["ip"] else f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or []
        for port in subset.get("ports") or []
        for address in subset.get("addresses") or []
    ]
    return some(listed)


def access_modes(modes: list[str] | None) -> str:
    """`RWO,ROX`: modes by their short names."""
    return ",".join(short for mode, short in _MODES if mode in (modes or ()))


def _phase(obj: Object) -> str:
    return "Terminating" if meta.is_deleting(obj) else str((obj.get("status") or {}).get("phase") or "")


def _bound(claim: Object) -> bool:
    return bool((claim.get("spec") or {}).get("volumeName"))


def _claim(volume: Object) -> str:
    claim = (volume.get("spec") or {}).get("claimRef")
    return f"{claim.get('namespace') or ''}/{claim.get('name') or ''}" if claim else ""


def _storage_class(obj: Object) -> str:
    old = meta.annotations(obj).get("volume.beta.kubernetes.io/storage-class")
    return old or str((obj.get("spec") or {}).get("storageClassName") or "")


def _attributes_class(obj: Object) -> str:
    return (obj.get("spec") or {}).get("volumeAttributesClassName") or UNSET


def _quota(prefixes: bool) -> Any:
    """Used and hard amounts: of limits, or of everything else."""

    def cell(quota: Object) -> str:
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        chosen = [name for name in sorted(hard) if name.startswith("limits.") == prefixes]
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in chosen)

    return cell


def _first_seen(event: Object, now: datetime) -> str:
    return since(event.get("firstTimestamp") or event.get("eventTime"), now)


def _last_seen(event: Object, now: datetime) -> str:
    series = event.get("series") or {}
    seen = series.get("lastObservedTime") or event.get("lastTimestamp")
    return since(seen, now) if seen else _first_seen(event, now)


def _object(event: Object) -> str:
    about = event.get("involvedObject") or {}
    kind = str(about.get("kind") or "").lower()
    return f"{kind}/{about['name']}" if about.get("name") else kind


def _source(event: Object) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return ", ".join(each for each in (component, host) if each)


def _count(event: Object) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


EVENT = (
    timed("Last Seen", "When the event was last seen.", _last_seen),
    text("Type", "Normal or Warning.", at("type")),
    text("Reason", "Why the event was made, in one word for machines.", at("reason")),
    text("Object", "What the event is about.", _object),
    wide("Subobject", "The part of the object that the event is about.", at("involvedObject", "fieldPath")),
    wide("Source", "The component that reports the event.", _source),
    text("Message", "What happened, for people.", lambda o: (o.get("message") or "").strip()),
    timed("First Seen", "When the event was first seen.", _first_seen, priority=1),
    wide("Count", "How often the event was seen.", lambda o: str(_count(o))),
    Column("Name", "string", "The event's name.", meta.name, format="name", priority=1),
)
SERVICE = (
    NAME,
    text("Type", "How the service is exposed.", at("spec", "type")),
    text("Cluster-IP", "The service's address inside the cluster.", lambda o: at("spec", "clusterIP")(o) or NONE),
    text("External-IP", "Where the service is reached from outside.", external_ip),
    text("Port(s)", "The service's ports.", ports),
    AGE,
    wide(
        "Selector",
        "The labels of the pods that the service leads to.",
        lambda o: labels(at("spec", "selector")(o) or {}),
    ),
)
ENDPOINTS = (NAME, text("Endpoints", "Addresses and ports behind the service.", _endpoints), AGE)
NAMESPACE = (NAME, text("Status", "The status of the namespace", at("status", "phase")), AGE)
SECRET = (
    NAME,
    text("Type", "What kind of data the secret holds.", at("type")),
    number("Data", "How many entries the secret has.", count("data")),
    AGE,
)
SERVICE_ACCOUNT = (NAME, number("Secrets", "How many secrets the account names.", count("secrets")), AGE)
CONFIG_MAP = (
    NAME,
    number(
        "Data",
        "How many entries the map has.",
        lambda o: len(o.get("data") or ()) + len(o.get("binaryData") or ()),
    ),
    AGE,
)
VOLUME = (
    NAME,
    text("Capacity", "How much the volume holds.", lambda o: str(at("spec", "capacity", "storage", default="0")(o))),
    text("Access Modes", "How the volume can be mounted.", lambda o: access_modes(at("spec", "accessModes")(o))),
    text(
        "Reclaim Policy", "What happens to the volume without its claim.", at("spec", "persistentVolumeReclaimPolicy")
    ),
    text("Status", "The phase that the volume is in.", _phase),
    text("Claim", "The claim that has the volume.", _claim),
    text("StorageClass", "StorageClass of the pv", _storage_class),
    text("VolumeAttributesClass", "VolumeAttributesClass of the pv", _attributes_class),
    text("Reason", "Why the volume failed, in one word.", at("status", "reason")),
    AGE,
    wide(
        "VolumeMode", "Whether it is a file system or a block device.", lambda o: at("spec", "volumeMode")(o) or UNSET
    ),
)
CLAIM = (
    NAME,
    text("Status", "The phase that the claim is in.", _phase),
    text("Volume", "The volume that the claim has.", at("spec", "volumeName")),
    text(
        "Capacity",
        "How much the claim's volume holds.",
        lambda o: str(at("status", "capacity", "storage", default="0")(o)) if _bound(o) else "",
    ),
    text(
        "Access Modes",
        "How the claim's volume can be mounted.",
        lambda o: access_modes(at("status", "accessModes")(o)) if _bound(o) else "",
    ),
    text("StorageClass", "StorageClass of the pvc", _storage_class),
    text("VolumeAttributesClass", "VolumeAttributesClass of the pvc", _attributes_class),
    AGE,
    wide(
        "VolumeMode", "Whether it is a file system or a block device.", lambda o: at("spec", "volumeMode")(o) or UNSET
    ),
)
REPLICATION_CONTROLLER = (
    NAME,
    number("Desired", "How many pods are wanted.", at("spec", "replicas", default=0)),
    number("Current", "How many pods there are.", at("status", "replicas", default=0)),
    number("Ready", "How many pods are ready.", at("status", "readyReplicas", default=0)),
    AGE,
    *containers("spec", "template"),
    wide("Selector", "The labels of its pods.", lambda o: labels(at("spec", "selector")(o) or {})),
)
RESOURCE_QUOTA = (
    NAME,
    text("Request", "Requests and counts: what is used of what is allowed.", _quota(prefixes=False)),
    text("Limit", "Limits: what is used of what is allowed.", _quota(prefixes=True)),
    AGE,
)
COMPONENT_STATUS = (
    NAME,
    text("Status", "Status of the component conditions", lambda o: _component(o)[0]),
    text("Message", "Message of the component conditions", lambda o: _component(o)[1]),
    text("Error", "Error of the component conditions", lambda o: _component(o)[2]),
)


def _component(obj: Object) -> tuple[str, str, str]:
    for condition in obj.get("conditions") or []:
        if condition.get("type") == "Healthy":
            word = "Healthy" if condition.get("status") == "True" else "Unhealthy"
            return word, condition.get("message") or "", condition.get("error") or ""
    return "Unknown", "", ""
