"""The containers of a pod or of a pod template: what they run, how they are, what they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.describe.basics import quantities
from cli.describe.text import NONE, Text, joined, moment, shown, title
from machinery.objects.quantity import Quantity, QuantityError, parse, parse_or_zero

Object = Mapping[str, Any]

PROBES = (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe"))
NAMES = ("metadata.name", "metadata.namespace", "metadata.uid")


def containers(
    text: Text, label: str, listed: Sequence[Object], statuses: Sequence[Object] = (), *, pod: Object | None, level: int
) -> None:
    """The containers of one list. `pod` is None for a template, whose fields have no values yet."""
    text.head(label, level=level) if listed else text.line(f"{label}: {NONE}", level=level)
    states = {status["name"]: status for status in statuses}
    for each in listed:
        # a template's names stand one column further in, what is below them does not
        text.head(f" {each['name']}" if level else each["name"], level=1)
        _container(text, each, states.get(each["name"]), pod)


def _container(text: Text, container: Object, status: Object | None, pod: Object | None) -> None:
    if status:
        text.field("Container ID", status.get("containerID", ""), level=2)
    text.field("Image", container.get("image", ""), level=2)
    if status:
        text.field("Image ID", status.get("imageID", ""), level=2)
    ports = container.get("ports") or ()
    for name, key in (("Port", "containerPort"), ("Host Port", "hostPort")):
        text.field(f"{name}s" if len(ports) > 1 else name, joined((_port(each, key) for each in ports), ", "), level=2)
    seccomp(text, container, level=2)
    for label, key in (("Command", "command"), ("Args", "args")):
        if container.get(key):
            text.head(label, level=2)
            for line in "\n".join(container[key]).split("\n"):
                text.line(line, level=3)
    if status:
        _status(text, status)
    resources(text, container.get("resources"), level=2)
    for label, key in PROBES:
        if container.get(key):
            text.field(label, probe(container[key]), level=2)
    if container.get("envFrom"):
        text.head("Environment Variables from", level=2)
        for source in container["envFrom"]:
            _source(text, source)
    _environment(text, container, pod)
    _mounts(text, container)


def _port(port: Object, key: str) -> str:
    return f"{port.get(key, 0)}/{port.get('protocol', 'TCP')}"


def seccomp(text: Text, holder: Object, *, level: int) -> None:
    """The seccomp profile of a pod's or a container's security context."""
    profile = (holder.get("securityContext") or {}).get("seccompProfile")
    if profile:
        text.field("SeccompProfile", profile["type"], level=level)
        text.given("LocalhostProfile", profile.get("localhostProfile"), level=level + 1 if level else 0)


def resources(text: Text, asked: Object | None, *, level: int) -> None:
    for label, key in (("Limits", "limits"), ("Requests", "requests")):
        if (asked or {}).get(key):
            text.head(label, level=level)
            quantities(text, (asked or {})[key], level=level + 1)


def _status(text: Text, status: Object) -> None:
    _state(text, "State", status.get("state") or {})
    if (status.get("lastState") or {}).get("terminated"):
        _state(text, "Last State", status["lastState"])
    text.field("Ready", title(status.get("ready", False)), level=2)
    text.field("Restart Count", status.get("restartCount", 0), level=2)


def _state(text: Text, label: str, state: Object) -> None:
    if state.get("running"):
        text.field(label, "Running", level=2)
        text.field("Started", moment(state["running"].get("startedAt")), level=3)
    elif state.get("terminated"):
        ended = state["terminated"]
        text.field(label, "Terminated", level=2)
        text.given("Reason", ended.get("reason"), level=3)
        text.given("Message", ended.get("message"), level=3)
        text.field("Exit Code", ended.get("exitCode", 0), level=3)
        text.given("Signal", ended.get("signal") or None, level=3)
        text.field("Started", moment(ended.get("startedAt")), level=3)
        text.field("Finished", moment(ended.get("finishedAt")), level=3)
    else:
        text.field(label, "Waiting", level=2)
        text.given("Reason", (state.get("waiting") or {}).get("reason"), level=3)


def probe(spec: Object) -> str:
    """`http-get http://:8080/healthz delay=5s timeout=1s period=10s #success=1 #failure=3`."""
    numbers = (
        f"delay={spec.get('initialDelaySeconds', 0)}s timeout={spec.get('timeoutSeconds', 0)}s "
        f"period={spec.get('periodSeconds', 0)}s #success={spec.get('successThreshold', 0)} "
        f"#failure={spec.get('failureThreshold', 0)}"
    )
    if "exec" in spec:
        return f"exec {shown(list(spec['exec'].get('command') or ()))} {numbers}"
    if "httpGet" in spec:
        get = spec["httpGet"]
        return f"http-get {get.get('scheme', '').lower()}://{_host(get)}:{get['port']}{_path(get)} {numbers}"
    if "tcpSocket" in spec:
        return f"tcp-socket {spec['tcpSocket'].get('host', '')}:{spec['tcpSocket']['port']} {numbers}"
    if "grpc" in spec:
        return f"grpc <pod>:{spec['grpc']['port']} {spec['grpc'].get('service') or ''} {numbers}"
    return f"unknown {numbers}"


def _host(get: Object) -> str:
    host: str = get.get("host", "")
    return f"[{host}]" if ":" in host else host


def _path(get: Object) -> str:
    path: str = get.get("path", "")
    return path if not path or path.startswith("/") else f"/{path}"


def _source(text: Text, source: Object) -> None:
    kind = "ConfigMap" if source.get("configMapRef") else "Secret"
    ref = source.get("configMapRef") or source.get("secretRef") or {}
    prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
    text.line(f"{ref.get('name', '')}\t{kind}{prefix}\tOptional: {optional(ref)}", level=3)


def _environment(text: Text, container: Object, pod: Object | None) -> None:
    env = container.get("env") or ()
    if not env:
        text.field("Environment", NONE, level=2)
        return
    text.head("Environment", level=2)
    for each in env:
        first, *others = _value(each, container, pod).split("\n")
        text.field(each["name"], first, level=3)
        for line in others:
            text.line(f"\t{line}", level=3)


def _value(variable: Object, container: Object, pod: Object | None) -> str:
    source = variable.get("valueFrom")
    match source:
        case {"fieldRef": ref}:
            return f"{_of_pod(ref['fieldPath'], pod)} ({ref.get('apiVersion', '')}:{ref['fieldPath']})"
        case {"resourceFieldRef": ref}:
            return f"{_of_resources(ref, container)} ({ref['resource']})"
        case {"secretKeyRef": ref}:
            return f"<set to the key '{ref['key']}' in secret '{ref['name']}'>\tOptional: {optional(ref)}"
        case {"configMapKeyRef": ref}:
            return f"<set to the key '{ref['key']}' of config map '{ref['name']}'>\tOptional: {optional(ref)}"
    return variable.get("value") or ""


def _of_pod(path: str, pod: Object | None) -> str:
    """What a field of the pod's metadata holds; kubectl looks up no others."""
    return str(pod["metadata"].get(path.removeprefix("metadata."), "")) if pod is not None and path in NAMES else ""


def _of_resources(ref: Object, container: Object) -> str:
    """The amount in units of the divisor, rounded up; a limit that is not set is what the node has."""
    kind, _, name = str(ref["resource"]).partition(".")
    amounts = (container.get("resources") or {}).get(kind) or {}
    try:
        amount: Quantity = parse_or_zero(amounts.get(name))
        divisor = parse_or_zero(ref.get("divisor"))
    except QuantityError:
        return ""
    if amount.is_zero() and kind == "limits" and name in ("cpu", "memory"):
        return "node allocatable"
    return str(-(-amount.nano // (divisor if not divisor.is_zero() else parse(1)).nano))


def optional(ref: Object) -> str:
    return shown(bool(ref.get("optional")))


def _mounts(text: Text, container: Object) -> None:
    mounts = container.get("volumeMounts") or ()
    text.head("Mounts", level=2) if mounts else text.field("Mounts", NONE, level=2)
    for mount in sorted(mounts, key=lambda each: str(each["mountPath"])):
        how = "ro" if mount.get("readOnly") else "rw"
        inside = f',path="{mount["subPath"]}"' if mount.get("subPath") else ""
        text.line(f"{mount['mountPath']} from {mount['name']} ({how}{inside})", level=3)
    devices = container.get("volumeDevices") or ()
    if devices:
        text.head("Devices", level=2)
        for device in sorted(devices, key=lambda each: str(each["devicePath"])):
            text.line(f"{device['devicePath']} from {device['name']}", level=3)
