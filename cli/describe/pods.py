"""Pods, and the pod templates of workloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cli.describe.text import Text, moment

Object = Mapping[str, Any]


def pod(text: Text, obj: Object, now: datetime) -> None:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    text.field("Name", metadata["name"])
    text.field("Namespace", metadata["namespace"])
    text.field("Priority", spec.get("priority", 0))
    if spec.get("priorityClassName"):
        text.field("Priority Class Name", spec["priorityClassName"])
    text.field("Service Account", spec.get("serviceAccountName") or "default")
    node, host = spec.get("nodeName"), status.get("hostIP")
    text.field("Node", f"{node}/{host or ''}" if node else "<none>")
    if status.get("startTime"):
        text.field("Start Time", moment(status["startTime"]))
    text.pairs("Labels", metadata.get("labels"))
    text.pairs("Annotations", metadata.get("annotations"), mark=": ")
    if metadata.get("deletionTimestamp"):
        text.field("Status", f"Terminating (lasts since {metadata['deletionTimestamp']})")
        text.field("Termination Grace Period", f"{metadata.get('deletionGracePeriodSeconds', 0)}s")
    else:
        text.field("Status", status.get("phase", ""))
    for key, label in (("reason", "Reason"), ("message", "Message")):
        if status.get(key):
            text.field(label, status[key])
    text.field("IP", status.get("podIP", ""))
    text.head("IPs")
    for address in status.get("podIPs") or ():
        text.field("IP", address["ip"], level=1)
    if not status.get("podIPs"):
        text.line("<none>", level=1)
    owner = next((ref for ref in metadata.get("ownerReferences") or () if ref.get("controller")), None)
    if owner:
        text.field("Controlled By", f"{owner['kind']}/{owner['name']}")
    states = {
        entry["name"]: entry
        for key in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
        for entry in status.get(key) or ()
    }
    containers(text, spec, states, level=0)
    if status.get("conditions"):
        text.head("Conditions")
        text.table(["Type", "Status"], [(each["type"], each["status"]) for each in status["conditions"]])
    volumes(text, spec.get("volumes"), level=0)
    if status.get("qosClass"):
        text.field("QoS Class", status["qosClass"])
    text.pairs("Node-Selectors", spec.get("nodeSelector"))
    text.items("Tolerations", [toleration(each) for each in spec.get("tolerations") or ()])


def template(text: Text, obj: Object) -> None:
    """A workload's pod template."""
    metadata, spec = obj.get("metadata") or {}, obj["spec"]
    text.head("Pod Template")
    text.pairs("Labels", metadata.get("labels"), level=1)
    if metadata.get("annotations"):
        text.pairs("Annotations", metadata["annotations"], level=1, mark=": ")
    if spec.get("serviceAccountName"):
        text.field("Service Account", spec["serviceAccountName"], level=1)
    containers(text, spec, {}, level=1)
    volumes(text, spec.get("volumes"), level=1)
    if spec.get("priorityClassName"):
        text.field("Priority Class Name", spec["priorityClassName"], level=1)
    text.pairs("Node-Selectors", spec.get("nodeSelector"), level=1)
    text.items("Tolerations", [toleration(each) for each in spec.get("tolerations") or ()], level=1)


def containers(text: Text, spec: Object, states: Mapping[str, Object], *, level: int) -> None:
    for key, label in (
        ("initContainers", "Init Containers"),
        ("containers", "Containers"),
        ("ephemeralContainers", "Ephemeral Containers"),
    ):
        listed = spec.get(key)
        if listed:
            text.head(label, level=level)
            for each in listed:
                _container(text, each, states.get(each["name"]), level=level + 1)


def _container(text: Text, container: Object, state: Object | None, *, level: int) -> None:
    text.head(container["name"], level=level)
    level += 1
    if state:
        text.field("Container ID", state.get("containerID", ""), level=level)
    text.field("Image", container.get("image", ""), level=level)
    if state:
        text.field("Image ID", state.get("imageID", ""), level=level)
    ports = container.get("ports") or ()
    text.field(
        "Port" if len(ports) < 2 else "Ports",
        ", ".join(f"{port['containerPort']}/{port.get('protocol', 'TCP')}" for port in ports) or "<none>",
        level=level,
    )
    text.field(
        "Host Port" if len(ports) < 2 else "Host Ports",
        ", ".join(f"{port.get('hostPort', 0)}/{port.get('protocol', 'TCP')}" for port in ports) or "<none>",
        level=level,
    )
    for key in ("command", "args"):
        if container.get(key):
            text.head(key.capitalize(), level=level)
            for word in container[key]:
                text.line(word, level=level + 1)
    if state:
        _state(text, "State", state.get("state") or {}, level=level)
        if state.get("lastState"):
            _state(text, "Last State", state["lastState"], level=level)
        text.field("Ready", state.get("ready", False), level=level)
        text.field("Restart Count", state.get("restartCount", 0), level=level)
    resources = container.get("resources") or {}
    for key in ("limits", "requests"):
        if resources.get(key):
            text.head(key.capitalize(), level=level)
            for name in sorted(resources[key]):
                text.field(name, resources[key][name], level=level + 1)
    for key, label in (("livenessProbe", "Liveness"), ("readinessProbe", "Readiness"), ("startupProbe", "Startup")):
        if container.get(key):
            text.field(label, probe(container[key]), level=level)
    for source in container.get("envFrom") or ():
        label = "ConfigMap" if "configMapRef" in source else "Secret"
        ref: Object = source.get("configMapRef") or source.get("secretRef") or {}
        optional = str(bool(ref.get("optional"))).lower()
        text.items("Environment Variables from", [f"{ref.get('name')}  {label}  Optional: {optional}"], level=level)
    _environment(text, container.get("env") or (), level=level)
    mounts = container.get("volumeMounts") or ()
    text.head("Mounts", level=level) if mounts else text.field("Mounts", "<none>", level=level)
    for mount in sorted(mounts, key=lambda each: each["mountPath"]):
        flags = ["ro" if mount.get("readOnly") else "rw"]
        if mount.get("subPath"):
            flags.append(f'path="{mount["subPath"]}"')
        text.line(f"{mount['mountPath']} from {mount['name']} ({','.join(flags)})", level=level + 1)


def _environment(text: Text, env: Sequence[Object], *, level: int) -> None:
    if not env:
        text.field("Environment", "<none>", level=level)
        return
    text.head("Environment", level=level)
    for each in env:
        source = each.get("valueFrom") or {}
        if "fieldRef" in source:
            value = f"({source['fieldRef'].get('apiVersion', 'v1')}:{source['fieldRef']['fieldPath']})"
        elif "resourceFieldRef" in source:
            value = f"({source['resourceFieldRef']['resource']})"
        elif "secretKeyRef" in source or "configMapKeyRef" in source:
            kind = "secret" if "secretKeyRef" in source else "config map"
            ref = source.get("secretKeyRef") or source["configMapKeyRef"]
            optional = str(bool(ref.get("optional"))).lower()
            value = f"<set to the key '{ref['key']}' of {kind} '{ref['name']}'>  Optional: {optional}"
        else:
            value = each.get("value", "")
        text.field(each["name"], value, level=level + 1)


def _state(text: Text, label: str, state: Object, *, level: int) -> None:
    if "running" in state:
        text.field(label, "Running", level=level)
        text.field("Started", moment(state["running"].get("startedAt") or ""), level=level + 1)
        return
    kind = "Terminated" if "terminated" in state else "Waiting"
    inner = state.get("terminated") or state.get("waiting") or {}
    text.field(label, kind, level=level)
    for key, name in (
        ("reason", "Reason"),
        ("message", "Message"),
        ("exitCode", "Exit Code"),
        ("signal", "Signal"),
        ("startedAt", "Started"),
        ("finishedAt", "Finished"),
    ):
        if key in inner:
            text.field(name, moment(inner[key]) if key.endswith("At") else inner[key], level=level + 1)


def probe(spec: Object) -> str:
    """`http-get http://:8080/healthz delay=5s timeout=1s period=10s #success=1 #failure=3`."""
    numbers = (
        f"delay={spec.get('initialDelaySeconds', 0)}s timeout={spec.get('timeoutSeconds', 1)}s "
        f"period={spec.get('periodSeconds', 10)}s #success={spec.get('successThreshold', 1)} "
        f"#failure={spec.get('failureThreshold', 3)}"
    )
    if "exec" in spec:
        return f"exec [{' '.join(spec['exec'].get('command') or ())}] {numbers}"
    if "httpGet" in spec:
        get = spec["httpGet"]
        path = get.get("path", "/")
        scheme = get.get("scheme", "HTTP").lower()
        return f"http-get {scheme}://{get.get('host', '')}:{get['port']}{path} {numbers}"
    if "tcpSocket" in spec:
        return f"tcp-socket {spec['tcpSocket'].get('host', '')}:{spec['tcpSocket']['port']} {numbers}"
    if "grpc" in spec:
        return f"grpc <pod>:{spec['grpc']['port']} {spec['grpc'].get('service', '')} {numbers}"
    return f"unknown {numbers}"


def volumes(text: Text, listed: Sequence[Object] | None, *, level: int) -> None:
    if not listed:
        text.field("Volumes", "<none>", level=level)
        return
    text.head("Volumes", level=level)
    for volume in listed:
        text.head(volume["name"], level=level + 1)
        kind = next((key for key in volume if key != "name"), "")
        source: Object = volume.get(kind) or {}
        text.field("Type", _TYPES.get(kind, kind), level=level + 2)
        for key in sorted(source):
            value = source[key]
            if isinstance(value, (str, int, bool)):
                text.field(_FIELDS.get(key, key[:1].upper() + key[1:]), value, level=level + 2)
        if kind == "projected":
            for part in source.get("sources") or ():
                text.field(
                    "Source", ", ".join(f"{key} {_what(value)}".strip() for key, value in part.items()), level=level + 2
                )


def _what(source: Object) -> str:
    return str(source.get("name") or source.get("path") or "")


_TYPES = {
    "configMap": "ConfigMap (a volume populated by a ConfigMap)",
    "secret": "Secret (a volume populated by a Secret)",
    "emptyDir": "EmptyDir (a temporary directory that shares a pod's lifetime)",
    "hostPath": "HostPath (bare host directory volume)",
    "projected": "Projected (a volume that contains injected data from multiple sources)",
    "downwardAPI": "DownwardAPI (a volume populated by information about the pod)",
    "persistentVolumeClaim": "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
}
_FIELDS = {"claimName": "ClaimName", "secretName": "SecretName", "sizeLimit": "SizeLimit", "readOnly": "ReadOnly"}


def toleration(each: Object) -> str:
    """`node.kubernetes.io/not-ready:NoExecute op=Exists for 300s`."""
    said: str = each.get("key", "")
    if each.get("value"):
        said += f"={each['value']}"
    if each.get("effect"):
        said += f":{each['effect']}"
    if each.get("operator") == "Exists":
        said += " op=Exists" if said else "op=Exists"
    if each.get("tolerationSeconds") is not None:
        said += f" for {each['tolerationSeconds']}s"
    return said
