"""`run` and `expose`: a pod from an image, and a service in front of what there is."""

from __future__ import annotations

from typing import Any

from cli.errors import CliError, UsageError
from cli.flags import Parsed
from cli.generators.generator import Object, new, pairs

LONGEST_NAME = 63


def pod(name: str, flags: Parsed) -> Object:
    """What `run` makes. Raises UsageError."""
    if not flags["image"]:
        raise UsageError('required flag(s) "image" not set')
    container: Object = {"name": name, "image": flags["image"]}
    if flags.rest:
        container["command" if flags["command"] else "args"] = flags.rest
    if flags["env"]:
        container["env"] = [{"name": key, "value": value} for key, value in pairs(flags["env"]).items()]
    if flags["port"]:
        container["ports"] = [{"containerPort": flags["port"]}]
    made = new("v1", "Pod", name, spec={"containers": [container], "restartPolicy": flags["restart"] or "Always"})
    made["metadata"]["labels"] = pairs(flags["labels"]) if flags["labels"] else {"run": name}
    return made


def service(obj: Object, flags: Parsed) -> Object:
    """What `expose` makes of an object. Raises CliError when it says neither whom to select nor on which port."""
    name = flags["name"] or obj["metadata"]["name"][:LONGEST_NAME]
    made = new("v1", "Service", name)
    labels = pairs(flags["labels"]) if flags["labels"] else obj["metadata"].get("labels")
    if labels:
        made["metadata"]["labels"] = labels
    spec: Object = {"selector": pairs(flags["selector"].split(",")) if flags["selector"] else selected(obj)}
    spec["ports"] = _ports(obj, flags)
    for key, flag in (("type", "type"), ("clusterIP", "cluster-ip"), ("sessionAffinity", "session-affinity")):
        if flags[flag]:
            spec[key] = flags[flag]
    if flags["external-ip"]:
        spec["externalIPs"] = [flags["external-ip"]]
    made["spec"] = spec
    return made


def selected(obj: Object) -> dict[str, Any]:
    """The labels that a service needs to select for the object's pods."""
    spec = obj.get("spec") or {}
    match obj["kind"]:
        case "Pod":
            found = obj["metadata"].get("labels")
            if not found:
                raise CliError("couldn't retrieve selectors via --selector flag or introspection: "
                               "the pod has no labels and cannot be exposed")  # fmt: skip
            return dict(found)
        case "Service" | "ReplicationController":
            found = spec.get("selector")
        case "Deployment" | "ReplicaSet":
            found = (spec.get("selector") or {}).get("matchLabels")
            if (spec.get("selector") or {}).get("matchExpressions"):
                raise CliError("couldn't retrieve selectors via --selector flag or introspection: "
                               "couldn't convert expressions")  # fmt: skip
        case kind:
            raise CliError(f"cannot expose a {kind}")
    if not found:
        raise CliError("couldn't retrieve selectors via --selector flag or introspection: it selects nothing")
    return dict(found)


def _ports(obj: Object, flags: Parsed) -> list[Object]:
    said = [(int(text), flags["protocol"] or "TCP") for text in flags["port"].split(",") if text.isdigit()]
    if flags["port"] and not said:
        raise UsageError(f"{flags['port']} is not a port")
    listed = said or _served(obj)
    if not listed:
        raise CliError("couldn't find port via --port flag or introspection")
    ports: list[Object] = []
    for index, (number, protocol) in enumerate(listed, 1):
        target = flags["target-port"]
        port = {"port": number, "protocol": flags["protocol"] or protocol,
                "targetPort": int(target) if target.isdigit() else target or number}  # fmt: skip
        ports.append({"name": f"port-{index}", **port} if len(listed) > 1 else port)
    return ports


def _served(obj: Object) -> list[tuple[int, str]]:
    """The ports that the object itself names."""
    spec = obj.get("spec") or {}
    if obj["kind"] == "Service":
        return [(port["port"], port.get("protocol", "TCP")) for port in spec.get("ports") or ()]
    pods = (spec.get("template") or {}).get("spec") or spec
    listed = [port for each in pods.get("containers") or () for port in each.get("ports") or ()]
    return [(port["containerPort"], port.get("protocol", "TCP")) for port in listed]
