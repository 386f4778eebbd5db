"""Deployments, and the sets that keep pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cli.describe import basics
from cli.describe.pods import template
from cli.describe.seen import Seen
from cli.describe.text import NONE, Text, joined, labels, shown
from cli.describe.volumes import storage_class
from machinery.objects import pod as facts
from machinery.objects import selectors

Object = Mapping[str, Any]

HASH = "pod-template-hash"


def deployment(text: Text, obj: Object, seen: Seen) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    basics.name(text, obj)
    basics.created(text, obj)
    basics.tags(text, obj)
    text.field("Selector", selectors.from_label_selector(spec.get("selector")))
    text.field(
        "Replicas",
        f"{spec.get('replicas', 1)} desired | {status.get('updatedReplicas', 0)} updated | "
        f"{status.get('replicas', 0)} total | {status.get('availableReplicas', 0)} available | "
        f"{status.get('unavailableReplicas', 0)} unavailable",
    )
    strategy = spec.get("strategy") or {}
    text.field("StrategyType", strategy.get("type", ""))
    text.field("MinReadySeconds", spec.get("minReadySeconds", 0))
    rolling = strategy.get("rollingUpdate")
    if rolling:
        said = f"{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge"
        text.field("RollingUpdateStrategy", said)
    template(text, spec["template"])
    basics.conditions(text, status, "Reason", after=" ")
    _replica_sets(text, obj, seen.replica_sets)


def _replica_sets(text: Text, obj: Object, listed: Sequence[Object]) -> None:
    if not listed:
        return
    ordered = sorted(listed, key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["name"]))
    wanted = _plain(obj["spec"]["template"])
    new = [each for each in ordered if _plain(each["spec"]["template"]) == wanted][:1]
    text.field("OldReplicaSets", joined((_progress(each) for each in ordered if each not in new), ", "))
    text.field("NewReplicaSet", joined(map(_progress, new)))


def _plain(pod_template: Object) -> Object:
    """A template without the hash that its ReplicaSet has added."""
    about = pod_template.get("metadata") or {}
    kept = {key: value for key, value in (about.get("labels") or {}).items() if key != HASH}
    return {"labels": kept, "annotations": about.get("annotations") or {}, "spec": pod_template["spec"]}


def _progress(each: Object) -> str:
    made = (each.get("status") or {}).get("replicas", 0)
    return f"{each['metadata']['name']} ({made}/{each['spec'].get('replicas', 1)} replicas created)"


def replica_set(text: Text, obj: Object, seen: Seen) -> None:
    basics.name(text, obj)
    text.field("Selector", basics.formatted(obj["spec"].get("selector")))
    _kept(text, obj, seen)


def replication_controller(text: Text, obj: Object, seen: Seen) -> None:
    basics.name(text, obj)
    text.field("Selector", labels(obj["spec"].get("selector")))
    _kept(text, obj, seen)


def _kept(text: Text, obj: Object, seen: Seen) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    basics.tags(text, obj)
    basics.controlled(text, obj)
    text.field("Replicas", f"{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    _pods(text, seen)
    template(text, spec["template"])
    basics.conditions(text, status, "Reason", after=" ")


def stateful_set(text: Text, obj: Object, seen: Seen) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    basics.name(text, obj)
    basics.created(text, obj)
    text.field("Selector", selectors.from_label_selector(spec.get("selector")))
    basics.tags(text, obj)
    text.field("Replicas", f"{spec.get('replicas', 1)} desired | {status.get('replicas', 0)} total")
    strategy = spec.get("updateStrategy") or {}
    text.field("Update Strategy", strategy.get("type", ""))
    rolling = strategy.get("rollingUpdate") or {}
    text.given("Partition", rolling.get("partition"), level=1)
    if "partition" in rolling:
        text.given("MaxUnavailable", rolling.get("maxUnavailable"), level=1)
    _pods(text, seen)
    template(text, spec["template"])
    _claims(text, spec.get("volumeClaimTemplates") or ())


def _claims(text: Text, listed: Sequence[Object]) -> None:
    if not listed:
        text.field("Volume Claims", NONE)
        return
    text.head("Volume Claims")
    for each in listed:
        about, spec = each["metadata"], each["spec"]
        asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
        text.field("Name", about["name"], level=1)
        text.field("StorageClass", storage_class(each), level=1)
        text.pairs("Labels", about.get("labels"), level=1)
        text.pairs("Annotations", about.get("annotations"), level=1)
        text.field("Capacity", basics.quantity(asked) if asked is not None else "<default>", level=1)
        text.field("Access Modes", shown(spec.get("accessModes") or []), level=1)


def daemon_set(text: Text, obj: Object, seen: Seen) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    basics.name(text, obj)
    text.field("Selector", selectors.from_label_selector(spec.get("selector")))
    text.field("Node-Selector", labels(spec["template"]["spec"].get("nodeSelector")))
    basics.tags(text, obj)
    for label, key in (
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ):
        text.line(f"{label}: {status.get(key, 0)}")
    _pods(text, seen)
    template(text, spec["template"])


def _pods(text: Text, seen: Seen) -> None:
    if seen.pods is None:
        text.field("Pods Status", "error in fetching pods: you may not list them")
        return
    phases = Counter(facts.phase(each) for each in seen.pods)
    said = (
        f"{phases['Running']} Running / {phases['Pending']} Waiting / "
        f"{phases['Succeeded']} Succeeded / {phases['Failed']} Failed"
    )
    text.field("Pods Status", said)
