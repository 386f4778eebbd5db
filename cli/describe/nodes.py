"""Nodes: how they are, what they have, and what of it is spoken for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.describe import basics
from cli.describe.seen import Seen
from cli.describe.text import UNSET, Text, joined, moment
from machinery.objects import pod as facts
from machinery.objects import timefmt
from machinery.objects.quantity import Quantity, parse, parse_or_zero

Object = Mapping[str, Any]
Amounts = Mapping[str, Quantity]

ROLE_PREFIX, ROLE_LABEL = "node-role.kubernetes.io/", "kubernetes.io/role"
ABOUT = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
    ("Kube-Proxy Version", "kubeProxyVersion"),
)
SHARED = ("cpu", "memory", "ephemeral-storage")
NONE = Quantity(0)


def node(text: Text, obj: Object, seen: Seen) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    text.field("Name", obj["metadata"]["name"])
    text.field("Roles", joined(_roles(obj["metadata"].get("labels") or {})))
    basics.tags(text, obj)
    basics.created(text, obj)
    taints = sorted(spec.get("taints") or (), key=lambda each: (each["effect"], each["key"]))
    text.items("Taints", map(taint, taints))
    text.field("Unschedulable", bool(spec.get("unschedulable")))
    _lease(text, seen.lease)
    _conditions(text, status.get("conditions") or ())
    text.head("Addresses")
    for address in status.get("addresses") or ():
        text.field(address["type"], address["address"], level=1)
    for label, key in (("Capacity", "capacity"), ("Allocatable", "allocatable")):
        if status.get(key):
            text.head(label)
            basics.quantities(text, status[key])
    text.head("System Info")
    for label, key in ABOUT:
        text.field(label, (status.get("nodeInfo") or {}).get(key, ""), level=1)
    text.given("PodCIDR", spec.get("podCIDR"))
    text.given("PodCIDRs", ",".join(spec.get("podCIDRs") or ()))
    text.given("ProviderID", spec.get("providerID"))
    if seen.pods is None:
        text.field("Pods", "not authorized")
        return
    has = {name: parse(amount) for name, amount in (status.get("allocatable") or status.get("capacity") or {}).items()}
    _pods(text, seen, has)
    _allocated(text, seen.pods, has)


def _roles(labels: Mapping[str, str]) -> list[str]:
    roles = {key.removeprefix(ROLE_PREFIX) for key in labels if key.startswith(ROLE_PREFIX)}
    return sorted((roles | {labels.get(ROLE_LABEL, "")}) - {""})


def taint(each: Object) -> str:
    """`key=value:NoSchedule`."""
    return f"{each['key']}{'=' + each['value'] if each.get('value') else ''}:{each['effect']}"


def _lease(text: Text, lease: Object | str) -> None:
    if isinstance(lease, str):
        text.field("Lease", f"Failed to get lease: {lease}")
        return
    spec = lease.get("spec") or {}
    text.head("Lease")
    text.field("HolderIdentity", spec.get("holderIdentity", UNSET), level=1)
    for label, key in (("AcquireTime", "acquireTime"), ("RenewTime", "renewTime")):
        text.field(label, moment(spec[key]) if spec.get(key) else UNSET, level=1)


def _conditions(text: Text, listed: Sequence[Object]) -> None:
    if not listed:
        return
    text.head("Conditions")
    rows = []
    for each in listed:
        times = [moment(each.get("lastHeartbeatTime")), moment(each.get("lastTransitionTime"))]
        # a blank behind all but the last, as kubectl has it
        rows.append([*(f"{cell} " for cell in (each["type"], each["status"], *times, each.get("reason", ""))),
                     each.get("message", "")])  # fmt: skip
    text.table(["Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"], rows)


def _pods(text: Text, seen: Seen, has: Amounts) -> None:
    pods = seen.pods or ()
    text.field("Non-terminated Pods", f"({len(pods)} in total)")
    rows = []
    for each in pods:
        asked, most = facts.requests(each), facts.limits(each)
        shares = [_share(amounts, name, has) for name in ("cpu", "memory") for amounts in (asked, most)]
        about = each["metadata"]
        rows.append([about["namespace"], about["name"], "", *shares, timefmt.age(about["creationTimestamp"], seen.now)])
    header = ["Namespace", "Name", "", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits", "Age"]
    text.table(header, rows)


def _share(amounts: Amounts, name: str, has: Amounts) -> str:
    """`250m (12%)`, of what the node has to give."""
    amount, whole = amounts.get(name, NONE), has.get(name, NONE)
    return f"{amount} ({amount.nano * 100 // whole.nano if whole.nano else 0}%)"


def _allocated(text: Text, pods: Sequence[Object], has: Amounts) -> None:
    asked, most = _total(map(facts.requests, pods)), _total(map(facts.limits, pods))
    text.head("Allocated resources")
    text.line("(Total limits may be over 100 percent, i.e., overcommitted.)", level=1)
    shared = [*SHARED, *sorted(name for name in has if name.startswith("hugepages-"))]
    extended = sorted(set(has) - set(shared) - {"pods"})
    rows = [(name, _share(asked, name, has), _share(most, name, has)) for name in shared]
    rows += [(name, str(asked.get(name, NONE)), str(most.get(name, NONE))) for name in extended]
    text.table(["Resource", "Requests", "Limits"], rows)


def _total(each: Any) -> Amounts:
    total: dict[str, Quantity] = {}
    for amounts in each:
        for name, amount in amounts.items():
            total[name] = total.get(name, parse_or_zero(None)) + amount
    return total
