"""The describers of workloads, services, nodes and the rest; `DESCRIBERS` finds one by kind."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cli.describe import pods
from cli.describe.text import Text, moment
from machinery.objects import selectors

Object = Mapping[str, Any]
Describer = Callable[[Text, Object, datetime], None]


def metadata(text: Text, obj: Object) -> None:
    """What every description begins with."""
    about = obj["metadata"]
    text.field("Name", about["name"])
    if about.get("namespace"):
        text.field("Namespace", about["namespace"])
    text.pairs("Labels", about.get("labels"))
    text.pairs("Annotations", shown_annotations(about), mark=": ")


def shown_annotations(about: Object) -> dict[str, str]:
    """All but what `apply` keeps there."""
    hidden = "kubectl.kubernetes.io/last-applied-configuration"
    return {key: value for key, value in (about.get("annotations") or {}).items() if key != hidden}


def conditions(text: Text, status: Object, *columns: str) -> None:
    listed = status.get("conditions")
    if listed:
        text.head("Conditions")
        header = ["Type", "Status", *columns]
        keys = ["type", "status", *(name[:1].lower() + name[1:] for name in columns)]
        text.table(header, [[_cell(each, key) for key in keys] for each in listed])


def _cell(condition: Object, key: str) -> str:
    value = str(condition.get(key) or "")
    return moment(value) if key.endswith("Time") else value


def selector(text: Text, value: Object | None) -> None:
    text.field("Selector", str(selectors.from_label_selector(value)) if value else "<unset>")


def deployment(text: Text, obj: Object, now: datetime) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    metadata(text, obj)
    text.field("CreationTimestamp", moment(obj["metadata"]["creationTimestamp"]))
    selector(text, spec.get("selector"))
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
    pods.template(text, spec["template"])
    conditions(text, status, "Reason")


def replica_set(text: Text, obj: Object, now: datetime) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    metadata(text, obj)
    selector(text, spec.get("selector"))
    _controlled(text, obj)
    text.field("Replicas", f"{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    _ = now
    pods.template(text, spec["template"])
    conditions(text, status, "Reason")


def stateful_set(text: Text, obj: Object, now: datetime) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    metadata(text, obj)
    text.field("CreationTimestamp", moment(obj["metadata"]["creationTimestamp"]))
    selector(text, spec.get("selector"))
    text.field("Replicas", f"{spec.get('replicas', 1)} desired | {status.get('replicas', 0)} total")
    strategy = spec.get("updateStrategy") or {}
    text.field("Update Strategy", strategy.get("type", ""))
    if strategy.get("rollingUpdate"):
        text.field("Partition", strategy["rollingUpdate"].get("partition", 0), level=1)
    text.field("Pods Ready", f"{status.get('readyReplicas', 0)} of {spec.get('replicas', 1)}")
    pods.template(text, spec["template"])
    claims = spec.get("volumeClaimTemplates") or ()
    text.items("Volume Claims", [claim["metadata"]["name"] for claim in claims])


def daemon_set(text: Text, obj: Object, now: datetime) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    metadata(text, obj)
    selector(text, spec.get("selector"))
    for label, key in (
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ):
        text.field(label, status.get(key, 0))
    pods.template(text, spec["template"])


def job(text: Text, obj: Object, now: datetime) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    metadata(text, obj)
    selector(text, spec.get("selector"))
    _controlled(text, obj)
    text.field("Parallelism", spec.get("parallelism", "<unset>"))
    text.field("Completions", spec.get("completions", "<unset>"))
    text.field("Completion Mode", spec.get("completionMode", "NonIndexed"))
    text.field("Suspend", str(bool(spec.get("suspend"))).lower())
    text.field("Backoff Limit", spec.get("backoffLimit", 6))
    for label, key in (("Start Time", "startTime"), ("Completed At", "completionTime")):
        if status.get(key):
            text.field(label, moment(status[key]))
    text.field(
        "Pods Statuses",
        f"{status.get('active', 0)} Active ({status.get('ready', 0)} Ready) / {status.get('succeeded', 0)} Succeeded "
        f"/ {status.get('failed', 0)} Failed",
    )
    pods.template(text, spec["template"])
    conditions(text, status, "Reason")


def cron_job(text: Text, obj: Object, now: datetime) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    metadata(text, obj)
    text.field("Schedule", spec["schedule"])
    text.field("Concurrency Policy", spec.get("concurrencyPolicy", "Allow"))
    text.field("Suspend", str(bool(spec.get("suspend"))))
    text.field("Successful Job History Limit", spec.get("successfulJobsHistoryLimit", 3))
    text.field("Failed Job History Limit", spec.get("failedJobsHistoryLimit", 1))
    deadline = spec.get("startingDeadlineSeconds")
    text.field("Starting Deadline Seconds", f"{deadline}s" if deadline is not None else "<unset>")
    pods.template(text, spec["jobTemplate"]["spec"]["template"])
    text.field("Last Schedule Time", status.get("lastScheduleTime", "<unset>"))
    text.field("Active Jobs", ", ".join(ref["name"] for ref in status.get("active") or ()) or "<none>")


def service(text: Text, obj: Object, now: datetime) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    metadata(text, obj)
    text.pairs("Selector", spec.get("selector"))
    text.field("Type", spec.get("type", ""))
    text.field("IP Family Policy", spec.get("ipFamilyPolicy", "<none>"))
    text.field("IP Families", ",".join(spec.get("ipFamilies") or ()) or "<none>")
    text.field("IP", spec.get("clusterIP", ""))
    text.field("IPs", ",".join(spec.get("clusterIPs") or ()) or "<none>")
    if spec.get("externalName"):
        text.field("External Name", spec["externalName"])
    for ingress in (status.get("loadBalancer") or {}).get("ingress") or ():
        text.field("LoadBalancer Ingress", ingress.get("ip") or ingress.get("hostname", ""))
    for port in spec.get("ports") or ():
        name = port.get("name") or "<unset>"
        text.field("Port", f"{name}  {port['port']}/{port.get('protocol', 'TCP')}")
        text.field("TargetPort", f"{port.get('targetPort')}/{port.get('protocol', 'TCP')}")
        if port.get("nodePort"):
            text.field("NodePort", f"{name}  {port['nodePort']}/{port.get('protocol', 'TCP')}")
    text.field("Session Affinity", spec.get("sessionAffinity", "None"))


def node(text: Text, obj: Object, now: datetime) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    labels = obj["metadata"].get("labels") or {}
    prefix = "node-role.kubernetes.io/"
    roles = sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))
    text.field("Name", obj["metadata"]["name"])
    text.field("Roles", ",".join(roles) or "<none>")
    text.pairs("Labels", labels)
    text.pairs("Annotations", obj["metadata"].get("annotations"), mark=": ")
    text.field("CreationTimestamp", moment(obj["metadata"]["creationTimestamp"]))
    text.items("Taints", [_taint(each) for each in spec.get("taints") or ()])
    text.field("Unschedulable", str(bool(spec.get("unschedulable"))).lower())
    conditions(text, status, "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message")
    text.head("Addresses")
    for address in status.get("addresses") or ():
        text.field(address["type"], address["address"], level=1)
    for label, key in (("Capacity", "capacity"), ("Allocatable", "allocatable")):
        text.head(label)
        for name in sorted(status.get(key) or {}):
            text.field(name, status[key][name], level=1)
    text.head("System Info")
    for key, value in (status.get("nodeInfo") or {}).items():
        text.field(_spaced(key), value, level=1)
    if spec.get("podCIDR"):
        text.field("PodCIDR", spec["podCIDR"])


def _taint(each: Object) -> str:
    return f"{each['key']}{'=' + each['value'] if each.get('value') else ''}:{each['effect']}"


def namespace(text: Text, obj: Object, now: datetime) -> None:
    metadata(text, obj)
    text.field("Status", (obj.get("status") or {}).get("phase", ""))


def config_map(text: Text, obj: Object, now: datetime) -> None:
    metadata(text, obj)
    text.line("")
    text.line("Data")
    text.line("====")
    for key in sorted(obj.get("data") or {}):
        text.line(f"{key}:")
        text.line("----")
        text.line(obj["data"][key])
        text.line("")
    text.line("")
    text.line("BinaryData")
    text.line("====")
    for key in sorted(obj.get("binaryData") or {}):
        text.line(f"{key}: {len(base64.b64decode(obj['binaryData'][key]))} bytes")


def secret(text: Text, obj: Object, now: datetime) -> None:
    metadata(text, obj)
    text.line("")
    text.field("Type", obj.get("type", ""))
    text.line("")
    text.line("Data")
    text.line("====")
    for key in sorted(obj.get("data") or {}):
        text.field(key, f"{len(base64.b64decode(obj['data'][key]))} bytes")


def role(text: Text, obj: Object, now: datetime) -> None:
    metadata(text, obj)
    text.head("PolicyRule")
    rows = []
    for rule in obj.get("rules") or ():
        names, verbs = f"[{' '.join(rule.get('resourceNames') or ())}]", f"[{' '.join(rule.get('verbs') or ())}]"
        for group in rule.get("apiGroups") or ("",):
            rows += [[f"{each}.{group}" if group else each, "[]", names, verbs] for each in rule.get("resources") or ()]
        rows += [["", f"[{url}]", "[]", verbs] for url in rule.get("nonResourceURLs") or ()]
    text.table(["Resources", "Non-Resource URLs", "Resource Names", "Verbs"], sorted(rows))


def binding(text: Text, obj: Object, now: datetime) -> None:
    metadata(text, obj)
    text.head("Role")
    text.field("Kind", obj["roleRef"]["kind"], level=1)
    text.field("Name", obj["roleRef"]["name"], level=1)
    text.head("Subjects")
    rows = [[each["kind"], each["name"], each.get("namespace", "")] for each in obj.get("subjects") or ()]
    text.table(["Kind", "Name", "Namespace"], rows)


def ingress(text: Text, obj: Object, now: datetime) -> None:
    spec = obj["spec"]
    metadata(text, obj)
    text.field("Ingress Class", spec.get("ingressClassName", "<none>"))
    rows = []
    for rule in spec.get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            backend = path["backend"].get("service") or {}
            port = backend.get("port") or {}
            where = f"{backend.get('name')}:{port.get('name') or port.get('number')}"
            rows.append([rule.get("host", "*"), path.get("path", ""), where])
    text.head("Rules")
    text.table(["Host", "Path", "Backends"], rows)


def generic(text: Text, obj: Object, now: datetime) -> None:
    """Any kind: its metadata, then its fields with the words of their names apart."""
    metadata(text, obj)
    text.field("API Version", obj.get("apiVersion", ""))
    text.field("Kind", obj.get("kind", ""))
    text.head("Metadata")
    text.field("Creation Timestamp", obj["metadata"].get("creationTimestamp", ""), level=1)
    if "generation" in obj["metadata"]:
        text.field("Generation", obj["metadata"]["generation"], level=1)
    text.field("Resource Version", obj["metadata"].get("resourceVersion", ""), level=1)
    text.field("UID", obj["metadata"].get("uid", ""), level=1)
    for key in sorted(obj):
        if key not in ("apiVersion", "kind", "metadata"):
            _tree(text, _spaced(key), obj[key], level=0)


def _tree(text: Text, label: str, value: Any, *, level: int) -> None:
    if isinstance(value, Mapping) and value:
        text.head(label, level=level)
        for key in sorted(value):
            _tree(text, _spaced(key), value[key], level=level + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        text.head(label, level=level)
        for item in value:
            if isinstance(item, Mapping):
                for key in sorted(item):
                    _tree(text, _spaced(key), item[key], level=level + 1)
            else:
                text.line(str(item), level=level + 1)
    else:
        text.field(label, value if value not in ({}, []) else "", level=level)


def _spaced(name: str) -> str:
    """`creationTimestamp` -> `Creation Timestamp`; names that are data (`example.com/x`) stay."""
    if not name.isidentifier():
        return name
    words = "".join(f" {char}" if char.isupper() and not before.isupper() else char
                    for before, char in zip(" " + name, name, strict=False))  # fmt: skip
    return words[:1].upper() + words[1:]


def _controlled(text: Text, obj: Object) -> None:
    owner = next((ref for ref in obj["metadata"].get("ownerReferences") or () if ref.get("controller")), None)
    if owner:
        text.field("Controlled By", f"{owner['kind']}/{owner['name']}")


DESCRIBERS: Mapping[tuple[str, str], Describer] = {
    ("", "Pod"): pods.pod,
    ("", "Node"): node,
    ("", "Namespace"): namespace,
    ("", "Service"): service,
    ("", "ConfigMap"): config_map,
    ("", "Secret"): secret,
    ("apps", "Deployment"): deployment,
    ("apps", "ReplicaSet"): replica_set,
    ("apps", "StatefulSet"): stateful_set,
    ("apps", "DaemonSet"): daemon_set,
    ("batch", "Job"): job,
    ("batch", "CronJob"): cron_job,
    ("networking.k8s.io", "Ingress"): ingress,
    ("rbac.authorization.k8s.io", "Role"): role,
    ("rbac.authorization.k8s.io", "ClusterRole"): role,
    ("rbac.authorization.k8s.io", "RoleBinding"): binding,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): binding,
}
