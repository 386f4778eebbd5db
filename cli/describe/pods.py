"""Pods, and the pod templates of workloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.describe import basics
from cli.describe.containers import containers, resources, seccomp
from cli.describe.seen import Seen
from cli.describe.text import NONE, Text, moment
from cli.describe.volumes import volumes
from machinery.objects import pod as facts
from machinery.objects import timefmt

Object = Mapping[str, Any]

LISTS = (
    ("Init Containers", "initContainers", "initContainerStatuses"),
    ("Containers", "containers", "containerStatuses"),
    ("Ephemeral Containers", "ephemeralContainers", "ephemeralContainerStatuses"),
)


def pod(text: Text, obj: Object, seen: Seen) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    basics.name(text, obj)
    text.given("Priority", spec.get("priority"))
    text.given("Priority Class Name", spec.get("priorityClassName"))
    text.given("Runtime Class Name", spec.get("runtimeClassName"))
    text.given("Service Account", spec.get("serviceAccountName"))
    text.field("Node", f"{spec['nodeName']}/{status.get('hostIP', '')}" if spec.get("nodeName") else NONE)
    if status.get("startTime"):
        text.field("Start Time", moment(status["startTime"]))
    basics.tags(text, obj)
    _phase(text, obj, seen)
    seccomp(text, spec, level=0)
    text.field("IP", status.get("podIP", ""))
    _addresses(text, status.get("podIPs") or ())
    basics.controlled(text, obj)
    text.given("NominatedNodeName", status.get("nominatedNodeName"))
    if spec.get("resources"):
        text.head("Resources")
        resources(text, spec["resources"], level=1)
    for label, key, states in LISTS:
        if spec.get(key) or key == "containers":
            containers(text, label, spec.get(key) or (), status.get(states) or (), pod=obj, level=0)
    held = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    gates = [each["conditionType"] for each in spec.get("readinessGates") or ()]
    _truths(text, "Readiness Gates", {gate: held.get(gate, NONE) for gate in gates})
    _truths(text, "Conditions", held)
    volumes(text, spec.get("volumes") or ())
    text.field("QoS Class", status.get("qosClass") or facts.qos_class(obj))
    _placing(text, spec)
    _spreading(text, spec)


def _phase(text: Text, obj: Object, seen: Seen) -> None:
    about, status = obj["metadata"], obj.get("status") or {}
    if about.get("deletionTimestamp") and status.get("phase") not in ("Failed", "Succeeded"):
        text.field("Status", f"Terminating (lasts {timefmt.age(about['deletionTimestamp'], seen.now)})")
        text.field("Termination Grace Period", f"{about.get('deletionGracePeriodSeconds', 0)}s")
    else:
        text.field("Status", status.get("phase", ""))
    text.given("Reason", status.get("reason"))
    text.given("Message", status.get("message"))


def _addresses(text: Text, listed: Sequence[Object]) -> None:
    text.head("IPs") if listed else text.field("IPs", NONE)
    for each in listed:
        text.field("IP", each["ip"], level=1)


def _truths(text: Text, label: str, held: Mapping[str, str]) -> None:
    if held:
        text.head(label)
        text.line("Type\tStatus", level=1)
        for name, value in held.items():
            text.line(f"{name} \t{value} ", level=1)


def template(text: Text, obj: Object) -> None:
    """A workload's pod template."""
    about, spec = obj.get("metadata") or {}, obj["spec"]
    text.head("Pod Template")
    text.pairs("Labels", about.get("labels"), level=1)
    if about.get("annotations"):
        text.annotations("Annotations", about["annotations"], level=1)
    text.given("Service Account", spec.get("serviceAccountName"), level=1)
    for label, key, _ in LISTS[:2]:
        if spec.get(key) or key == "containers":
            containers(text, label, spec.get(key) or (), pod=None, level=1)
    volumes(text, spec.get("volumes") or (), level=1)
    _spreading(text, spec, level=1)
    text.given("Priority Class Name", spec.get("priorityClassName"), level=1)
    _placing(text, spec, level=1)


def _placing(text: Text, spec: Object, *, level: int = 0) -> None:
    text.pairs("Node-Selectors", spec.get("nodeSelector"), level=level)
    listed = sorted(spec.get("tolerations") or (), key=lambda each: str(each.get("key", "")))
    text.items("Tolerations", map(toleration, listed), level=level)


def toleration(each: Object) -> str:
    """`node.kubernetes.io/not-ready:NoExecute op=Exists for 300s`."""
    said: str = each.get("key", "")
    if each.get("value"):
        said += f"={each['value']}"
    if each.get("effect"):
        said += f":{each['effect']}"
    if each.get("operator") == "Exists" and not each.get("value"):
        said += " op=Exists" if said else "op=Exists"
    if each.get("tolerationSeconds") is not None:
        said += f" for {each['tolerationSeconds']}s"
    return said


def _spreading(text: Text, spec: Object, *, level: int = 0) -> None:
    listed = sorted(spec.get("topologySpreadConstraints") or (), key=lambda each: str(each["topologyKey"]))
    if listed:
        text.items("Topology Spread Constraints", map(_spread, listed), level=level)


def _spread(each: Object) -> str:
    said = f"{each['topologyKey']}:{each['whenUnsatisfiable']} when max skew {each['maxSkew']} is exceeded"
    chosen = each.get("labelSelector")
    return said if chosen is None else f"{said} for selector {basics.formatted(chosen)}"
