"""`create service` and `create ingress`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cli.errors import UsageError
from cli.flags import Flag, Kind, Parsed
from cli.generators.generator import Generator, Object, new, pairs
from machinery.objects.gvk import GVR

_TCP = Flag("tcp", "Port pairs can be specified as '<port>:<targetPort>'.", kind=Kind.LIST, default=[])


def _service(name: str, flags: Parsed, kind: str) -> Object:
    ports = [_service_port(text, flags) for text in flags["tcp"]]
    made = new("v1", "Service", name)
    made["metadata"]["labels"] = {"app": name}
    spec: Object = {"type": kind}
    if kind == "ExternalName":
        if not flags["external-name"]:
            raise UsageError('required flag(s) "external-name" not set')
        spec["externalName"] = flags["external-name"]
    elif not ports and flags.values.get("clusterip") != "None":
        raise UsageError("at least one tcp port specifier must be provided")
    if flags.values.get("clusterip"):
        spec["clusterIP"] = flags["clusterip"]
    if ports:
        spec["ports"] = ports
    made["spec"] = {**spec, "selector": {"app": name}}
    return made


def _service_port(text: str, flags: Parsed) -> Object:
    port, _, target = text.partition(":")
    if not port.isdigit():
        raise UsageError(f"{text} is not a valid port: use PORT or PORT:TARGETPORT")
    made: Object = {
        "name": text.replace(":", "-"),
        "port": int(port),
        "protocol": "TCP",
        "targetPort": int(target) if target.isdigit() else target or int(port),
    }
    if flags.values.get("node-port"):
        made["nodePort"] = flags["node-port"]
    return made


RULE = re.compile(
    r"(?P<host>[^/=]*)(?P<path>/[^=,]*)?=(?P<service>[^:,]+):(?P<port>[^,]+)(?:,tls(?:=(?P<secret>.*))?)?"
)


def _ingress(name: str, flags: Parsed) -> Object:
    if not flags["rule"] and not flags["default-backend"]:
        raise UsageError("not enough information provided: every ingress has to either specify a default-backend "
                         "(which catches all traffic) or a list of rules (which catch specific paths)")  # fmt: skip
    spec: Object = {}
    if flags["class"]:
        spec["ingressClassName"] = flags["class"]
    if flags["default-backend"]:
        service, colon, port = flags["default-backend"].partition(":")
        if not service or not colon or not port:
            raise UsageError("default-backend should be in format servicename:serviceport")
        spec["defaultBackend"] = _backend(service, port)
    by_host: dict[str, list[Object]] = {}
    tls: dict[str, list[str]] = {}
    for text in flags["rule"]:
        found = RULE.fullmatch(text)
        if found is None:
            raise UsageError(f"rule {text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]")
        host, path = found["host"], found["path"] or ""
        prefix = path.endswith("*")
        by_host.setdefault(host, []).append(
            {
                "path": path.removesuffix("*") or "/",
                "pathType": "Prefix" if prefix or not path else "Exact",
                "backend": _backend(found["service"], found["port"]),
            }
        )
        if ",tls" in text:
            tls.setdefault(found["secret"] or "", []).append(host)
    spec["rules"] = [{**({"host": host} if host else {}), "http": {"paths": paths}} for host, paths in by_host.items()]
    if tls:
        spec["tls"] = [
            {"hosts": list(dict.fromkeys(hosts)), **({"secretName": secret} if secret else {})}
            for secret, hosts in tls.items()
        ]
    made = new("networking.k8s.io/v1", "Ingress", name, spec={key: value for key, value in spec.items() if value})
    if flags["annotation"]:
        made["metadata"]["annotations"] = pairs(flags["annotation"])
    return made


def _backend(service: str, port: str) -> Object:
    return {"service": {"name": service, "port": {"number": int(port)} if port.isdigit() else {"name": port}}}


def _services() -> dict[str, Generator]:
    cluster_ip = Flag("clusterip", "Assign your own ClusterIP or 'None' for a headless service.")
    node_port = Flag("node-port", "Port used to expose the service on each node.", kind=Kind.INT, default=0)
    kinds: Mapping[str, tuple[str, Sequence[Flag]]] = {
        "clusterip": ("ClusterIP", (_TCP, cluster_ip)),
        "nodeport": ("NodePort", (_TCP, node_port)),
        "loadbalancer": ("LoadBalancer", (_TCP,)),
        "externalname": ("ExternalName", (_TCP, Flag("external-name", "External name of service"))),
    }
    return {
        f"service {word}": Generator(
            GVR("", "v1", "services"),
            f"service {word} NAME [--tcp=<port>:<targetPort>]",
            f"Create {'an' if kind == 'ExternalName' else 'a'} {kind} service",
            f"{kind} service",
            lambda name, flags, kind=kind: _service(name, flags, kind),  # type: ignore[misc]  # mypy cannot infer it
            flags,
        )
        for word, (kind, flags) in kinds.items()
    }


GENERATORS = {
    **_services(),
    "ingress": Generator(
        GVR("networking.k8s.io", "v1", "ingresses"), "ingress NAME --rule=host/path=service:port[,tls[=secret]]",
        "Create an ingress with the specified name", "ingress", _ingress,
        (
            Flag("rule", "Rule in format host/path=service:port[,tls=secretname].", kind=Kind.ARRAY, default=[]),
            Flag("default-backend", "Default service for backend, in format of svcname:port"),
            Flag("class", "Ingress Class to be used"),
            Flag("annotation", "Annotation to insert in the ingress object, key=value", kind=Kind.ARRAY, default=[]),
        ),
        aliases=("ing",),
    ),
}  # fmt: skip
