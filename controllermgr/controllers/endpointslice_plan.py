"""Spreads the endpoints of a Service over EndpointSlices of at most a hundred, changing as few slices as it can. Pure.

Endpoints that stay, stay in their slice. New ones first fill slices that have to be written anyway, then one slice with
enough room for all that remain, and only then new slices. Slices that became empty are deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from controllermgr.controllers import service_pods
from machinery.client.api import Object
from machinery.objects import meta, owners, pod, workload
from machinery.objects.node import ZONE_LABEL

CAPACITY = 100
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
_OWN_LABELS = (SERVICE_NAME, MANAGED_BY, service_pods.HEADLESS_LABEL)


@dataclass(slots=True)
class Plan:
    """What to write."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


def endpoint(each: Object, service: Object, family: str, nodes: Mapping[str, Object]) -> Object:
    """One pod as an endpoint. nodes: by name, for the zone."""
    serving, terminating = pod.is_ready(each), meta.is_deleting(each)
    anyway = bool(workload.spec(service).get("publishNotReadyAddresses"))
    found: Object = {
        "addresses": [service_pods.address_of(each, family)],
        "conditions": {
            "ready": anyway or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": service_pods.target_ref(each),
    }
    if hostname := service_pods.hostname_of(each, service):
        found["hostname"] = hostname
    node = pod.node_name(each)
    if node:
        found["nodeName"] = node
        zone = meta.label(nodes.get(node) or {}, ZONE_LABEL)
        if zone:
            found["zone"] = zone
        hints = _hints(workload.spec(service).get("trafficDistribution"), node, zone)
        if hints and found["conditions"]["ready"]:
            found["hints"] = hints
    return found


def _hints(distribution: str | None, node: str, zone: str | None) -> Object:
    """Who should prefer this endpoint, by the Service's `trafficDistribution`."""
    hints: Object = {}
    if zone and distribution in ("PreferClose", "PreferSameZone", "PreferSameNode"):
        hints["forZones"] = [{"name": zone}]
    if distribution == "PreferSameNode":
        hints["forNodes"] = [{"name": node}]
    return hints


def desired(
    service: Object, pods: Iterable[Object], family: str, nodes: Mapping[str, Object]
) -> dict[str, tuple[list[Object], list[Object]]]:
    """Groups of endpoints with the same ports: the ports' text -> (ports, endpoints)."""
    groups: dict[str, tuple[list[Object], list[Object]]] = {}
    for each in service_pods.matching(service, pods):
        if not service_pods.reachable(each, terminating=True) or not service_pods.address_of(each, family):
            continue
        ports = service_pods.ports_in(each, service)
        if not ports and workload.spec(service).get("ports"):
            continue
        key = _ports_key(ports)
        groups.setdefault(key, (ports, []))[1].append(endpoint(each, service, family, nodes))
    return groups


def plan(
    service: Object,
    family: str,
    groups: Mapping[str, tuple[list[Object], list[Object]]],
    existing: Sequence[Object],
) -> Plan:
    """What turns the existing slices of one address family into the wanted ones."""
    found = Plan()
    labels = slice_labels(service)
    by_ports: dict[str, list[Object]] = {}
    for each in existing:
        by_ports.setdefault(_ports_key(each.get("ports") or []), []).append(each)
    for key, (ports, endpoints) in groups.items():
        _plan_group(found, service, family, ports, endpoints, by_ports.pop(key, []), labels)
    left = [each for others in by_ports.values() for each in others]
    if not groups:
        # One slice without endpoints stays, so that consumers know the Service to have none.
        blank = next((each for each in left if not each.get("ports") and not each.get("endpoints")), None)
        if blank is None:
            found.create.append(_new_slice(service, family, [], [], labels))
        else:
            left.remove(blank)
            if meta.labels(blank) != labels:
                found.update.append({**blank, "metadata": {**meta.metadata(blank), "labels": labels}})
    found.delete.extend(left)
    return found


def _plan_group(
    found: Plan,
    service: Object,
    family: str,
    ports: list[Object],
    endpoints: list[Object],
    existing: Sequence[Object],
    labels: Mapping[str, str],
) -> None:
    missing = {_identity(each): each for each in endpoints}
    unchanged: list[Object] = []
    changed: list[tuple[Object, list[Object]]] = []
    for each in sorted(existing, key=meta.name):
        kept: list[Object] = []
        touched = meta.labels(each) != labels
        for old in each.get("endpoints") or ():
            new = missing.pop(_identity(old), None)
            touched = touched or new != old
            if new is not None:
                kept.append(new)
        if not kept:
            found.delete.append(each)
        elif touched:
            changed.append((each, kept))
        else:
            unchanged.append(each)
    rest = list(missing.values())
    for _, kept in sorted(changed, key=lambda pair: len(pair[1]), reverse=True):
        room = CAPACITY - len(kept)
        kept.extend(rest[:room])
        rest = rest[room:]
    if rest and len(rest) < CAPACITY:
        fitting = [each for each in unchanged if len(each["endpoints"]) + len(rest) <= CAPACITY]
        if fitting:
            # The fullest that takes them all.
            chosen = max(fitting, key=lambda each: len(each["endpoints"]))
            changed.append((chosen, [*chosen["endpoints"], *rest]))
            rest = []
    for each, kept in changed:
        metadata = {**meta.metadata(each), "labels": dict(labels)}
        found.update.append({**each, "metadata": metadata, "endpoints": kept})
    while rest:
        reuse = found.delete.pop() if found.delete and _belongs(found.delete[-1], ports) else None
        batch, rest = rest[:CAPACITY], rest[CAPACITY:]
        if reuse is None:
            found.create.append(_new_slice(service, family, ports, batch, labels))
        else:
            metadata = {**meta.metadata(reuse), "labels": dict(labels)}
            found.update.append({**reuse, "metadata": metadata, "endpoints": batch})


def _belongs(each: Object, ports: list[Object]) -> bool:
    return _ports_key(each.get("ports") or []) == _ports_key(ports)


def slice_labels(service: Object) -> dict[str, str]:
    """The Service's labels, and those that say whose slice it is and who keeps it."""
    labels = {key: value for key, value in meta.labels(service).items() if key not in _OWN_LABELS}
    labels |= {SERVICE_NAME: meta.name(service), MANAGED_BY: MANAGER}
    if service_pods.is_headless(service):
        labels[service_pods.HEADLESS_LABEL] = ""
    return labels


def _new_slice(
    service: Object, family: str, ports: list[Object], endpoints: list[Object], labels: Mapping[str, str]
) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{meta.name(service)}-",
            "namespace": meta.namespace(service),
            "labels": dict(labels),
            "ownerReferences": [owners.reference(service)],
        },
        "addressType": family,
        "endpoints": endpoints,
        "ports": ports,
    }


def _ports_key(ports: Sequence[Object]) -> str:
    return json.dumps(sorted(json.dumps(port, sort_keys=True) for port in ports))


def _identity(each: Object) -> tuple[str, ...]:
    """What makes an endpoint the same one: its addresses and its pod."""
    return (*each.get("addresses", ()), str((each.get("targetRef") or {}).get("uid") or ""))
