"""A container's environment and command line. Pure: what is referenced was fetched before.

Rules and messages: kubelet `makeEnvironmentVariables`, third_party/forked/golang/expansion.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from machinery.objects import meta
from machinery.objects import pod as pods
from machinery.objects.quantity import NANO, Quantity, parse
from nodeagent.errors import ConfigError

Object = Mapping[str, Any]
_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_KEYED = re.compile(r"(metadata\.(?:labels|annotations))\['(.*)'\]")


@dataclass(frozen=True, slots=True)
class Sources:
    """What variables may come from. Maps hold None for what does not exist."""

    pod: Object
    pod_ips: Sequence[str] = ()
    host_ips: Sequence[str] = ()
    allocatable: Mapping[str, Quantity] = field(default_factory=dict)
    config_maps: Mapping[str, Object | None] = field(default_factory=dict)
    secrets: Mapping[str, Object | None] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    """Variables of the namespace's services."""


def make(container: Object, sources: Sources) -> dict[str, str]:
    """Name to value. Raises ConfigError for a reference that must exist and does not."""
    result: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        result |= _all_of(source, sources)
    known: dict[str, str] = {}
    for variable in container.get("env") or ():
        value = _value(variable, container, sources, known, result)
        if value is not None:
            known[variable["name"]] = result[variable["name"]] = value
    return {**sources.services, **result}


def command_line(container: Object, env: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """`command` and `args` with `$(VAR)` replaced."""
    return (
        [expand(each, env) for each in container.get("command") or ()],
        [expand(each, env) for each in container.get("args") or ()],
    )


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` becomes its value, `$$` a dollar; an unknown name stays as it is written."""
    if "$" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(replace, text)


def references(containers: Iterable[Object]) -> tuple[set[str], set[str]]:
    """Names of the config maps and of the secrets that the environment of these containers reads."""
    config_maps: set[str] = set()
    secrets: set[str] = set()
    for container in containers:
        for source in container.get("envFrom") or ():
            if ref := source.get("configMapRef"):
                config_maps.add(ref["name"])
            if ref := source.get("secretRef"):
                secrets.add(ref["name"])
        for variable in container.get("env") or ():
            of = variable.get("valueFrom") or {}
            if ref := of.get("configMapKeyRef"):
                config_maps.add(ref["name"])
            if ref := of.get("secretKeyRef"):
                secrets.add(ref["name"])
    return config_maps, secrets


def _all_of(source: Object, sources: Sources) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    if ref := source.get("configMapRef"):
        found = _referenced(ref, sources.config_maps, "configmap")
        data: Mapping[str, str] = (found or {}).get("data") or {}
    elif ref := source.get("secretRef"):
        found = _referenced(ref, sources.secrets, "secret")
        data = {key: text(value) for key, value in ((found or {}).get("data") or {}).items()}
    else:
        return {}
    return {prefix + key: value for key, value in data.items() if "=" not in key}


def _value(
    variable: Object, container: Object, sources: Sources, known: Mapping[str, str], result: Mapping[str, str]
) -> str | None:
    of = variable.get("valueFrom")
    if not of:
        return expand(str(variable.get("value") or ""), {**sources.services, **result, **known})
    if ref := of.get("fieldRef"):
        return field_value(str(ref.get("fieldPath") or ""), sources)
    if ref := of.get("resourceFieldRef"):
        return resource_value(ref, container, sources)
    namespace = meta.namespace(sources.pod)
    if ref := of.get("configMapKeyRef"):
        found = _referenced(ref, sources.config_maps, "configmap")
        data = (found or {}).get("data") or {}
        if ref["key"] in data:
            return str(data[ref["key"]])
        if ref.get("optional"):
            return None
        raise ConfigError(f"couldn't find key {ref['key']} in ConfigMap {namespace}/{ref['name']}")
    if ref := of.get("secretKeyRef"):
        found = _referenced(ref, sources.secrets, "secret")
        data = (found or {}).get("data") or {}
        if ref["key"] in data:
            return text(data[ref["key"]])
        if ref.get("optional"):
            return None
        raise ConfigError(f"couldn't find key {ref['key']} in Secret {namespace}/{ref['name']}")
    raise ConfigError(f"environment variable {variable['name']}: unsupported valueFrom")


def _referenced(ref: Object, found: Mapping[str, Object | None], kind: str) -> Object | None:
    obj = found.get(ref["name"])
    if obj is None and not ref.get("optional"):
        raise ConfigError(f'{kind} "{ref["name"]}" not found')
    return obj


def text(encoded: str) -> str:
    """A Secret's base64 value as text; bytes that are no UTF-8 survive as the surrogates that `os.fsencode` knows."""
    import base64

    return base64.b64decode(encoded).decode(errors="surrogateescape")


def field_value(path: str, sources: Sources) -> str:
    """What a fieldRef reads (`metadata.labels['app']`, `status.podIP`, …). Raises ConfigError for another path."""
    pod = sources.pod
    if keyed := _KEYED.fullmatch(path):
        held = meta.labels(pod) if keyed[1] == "metadata.labels" else meta.annotations(pod)
        return str(held.get(keyed[2], ""))
    match path:
        case "metadata.name":
            return meta.name(pod)
        case "metadata.namespace":
            return meta.namespace(pod)
        case "metadata.uid":
            return meta.uid(pod)
        case "metadata.labels":
            return _lines(meta.labels(pod))
        case "metadata.annotations":
            return _lines(meta.annotations(pod))
        case "spec.nodeName":
            return pods.node_name(pod)
        case "spec.serviceAccountName":
            return str(pods.spec(pod).get("serviceAccountName") or "")
        case "status.podIP":
            return sources.pod_ips[0] if sources.pod_ips else ""
        case "status.podIPs":
            return ",".join(sources.pod_ips)
        case "status.hostIP":
            return sources.host_ips[0] if sources.host_ips else ""
        case "status.hostIPs":
            return ",".join(sources.host_ips)
        case _:
            raise ConfigError(f"unsupported fieldPath: {path}")


def _lines(held: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={_go_quoted(value)}" for key, value in sorted(held.items()))


def _go_quoted(value: str) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def resource_value(ref: Object, container: Object, sources: Sources) -> str:
    """What a resourceFieldRef reads: limit or request over its divisor, rounded up. No limit: what the node has."""
    if name := ref.get("containerName"):
        container = next((each for each in pods.all_containers(sources.pod) if each["name"] == name), container)
    which, _, resource = str(ref.get("resource") or "").partition(".")
    held = (container.get("resources") or {}).get(which) or {}
    if which not in ("limits", "requests"):
        raise ConfigError(f"Unsupported container resource : {ref.get('resource')}")
    if resource in held:
        amount = parse(held[resource])
    elif which == "limits":
        amount = sources.allocatable.get(resource, Quantity(0))
    else:
        amount = Quantity(0)
    divisor = parse(ref.get("divisor") or "1")
    return str(math.ceil(amount.nano / (divisor.nano or NANO)))


def service_variables(services: Iterable[Object], namespace: str, *, links: bool) -> dict[str, str]:
    """The variables that tell of services: those of the pod's namespace when `links`, and always the API server's."""
    result: dict[str, str] = {}
    for service in services:
        spec = service.get("spec") or {}
        master = meta.namespace(service) == "default" and meta.name(service) == "kubernetes"
        wanted = master or (links and meta.namespace(service) == namespace)
        if not wanted or spec.get("clusterIP") in (None, "", "None") or not spec.get("ports"):
            continue
        result |= _variables_of(meta.name(service), str(spec["clusterIP"]), spec["ports"])
    return result


def _variables_of(name: str, ip: str, ports: Sequence[Object]) -> dict[str, str]:
    prefix = name.upper().replace("-", "_")
    host = f"[{ip}]" if ":" in ip else ip
    first = ports[0]
    protocol = str(first.get("protocol") or "TCP").lower()
    result = {
        f"{prefix}_SERVICE_HOST": ip,
        f"{prefix}_SERVICE_PORT": str(first["port"]),
        f"{prefix}_PORT": f"{protocol}://{host}:{first['port']}",
    }
    for port in ports:
        if port.get("name"):
            result[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
        protocol = str(port.get("protocol") or "TCP")
        one = f"{prefix}_PORT_{port['port']}_{protocol}"
        result |= {
            one: f"{protocol.lower()}://{host}:{port['port']}",
            f"{one}_PROTO": protocol.lower(),
            f"{one}_PORT": str(port["port"]),
            f"{one}_ADDR": ip,
        }
    return result
