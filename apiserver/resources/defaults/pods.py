"""Pods, and the pod templates inside other kinds."""

from __future__ import annotations

from typing import Any

from apiserver.resources.defaults.fill import canonical, fill, fill_zero, items, quantities, section
from machinery.objects.quantity import ZERO, parse_or_zero

Object = dict[str, Any]

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_MODE = 0o644


def pod(obj: Object) -> None:
    """A pod: its spec, and what only pods get (templates keep it open)."""
    spec = section(obj, "spec")
    pod_spec(spec)
    fill(spec, "enableServiceLinks", True)
    for container in (*items(spec, "containers"), *items(spec, "initContainers")):
        resources = section(container, "resources")
        if limits := resources.get("limits"):
            resources["requests"] = {**limits, **(resources.get("requests") or {})}
    if spec.get("resources"):
        _pod_level_requests(spec)


def template(obj: Object) -> None:
    """The PodTemplateSpec at `obj["template"]`."""
    pod_spec(section(section(obj, "template"), "spec"))


def pod_spec(spec: Object) -> None:
    """A pod's spec, wherever it stands."""
    fill(spec, "dnsPolicy", "ClusterFirst")
    fill(spec, "restartPolicy", "Always")
    fill(spec, "terminationGracePeriodSeconds", 30)
    fill(spec, "schedulerName", "default-scheduler")
    section(spec, "securityContext")
    if account := spec.get("serviceAccountName"):
        spec["serviceAccount"] = account
    elif account := spec.get("serviceAccount"):
        spec["serviceAccountName"] = account
    for key in ("containers", "initContainers", "ephemeralContainers"):
        for container in items(spec, key):
            _container(container)
            if spec.get("hostNetwork") and key != "ephemeralContainers":
                _host_ports(container)
    for volume in items(spec, "volumes"):
        _volume(volume)
    quantities(spec, "overhead")
    if spec.get("resources"):
        quantities(spec["resources"], "limits", "requests")


def _container(container: Object) -> None:
    fill(container, "terminationMessagePath", "/dev/termination-log")
    fill(container, "terminationMessagePolicy", "File")
    fill(container, "imagePullPolicy", pull_policy(container.get("image") or ""))
    quantities(section(container, "resources"), "limits", "requests")
    for port in items(container, "ports"):
        fill(port, "protocol", "TCP")
    for variable in items(container, "env"):
        source = variable.get("valueFrom") or {}
        if field := source.get("fieldRef"):
            fill(field, "apiVersion", "v1")
        if resource := source.get("resourceFieldRef"):
            resource["divisor"] = canonical(resource.get("divisor") or "0")
        if file := source.get("fileKeyRef"):
            fill(file, "optional", False)
    for key in _PROBES:
        if probe := container.get(key):
            _probe(probe)
    lifecycle = container.get("lifecycle") or {}
    for key in ("postStart", "preStop"):
        if handler := lifecycle.get(key):
            _handler(handler)


def pull_policy(image: str) -> str:
    """When an image is pulled if nobody says: always for the tag `latest`, which is also that of a bare name."""
    name, at, _ = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    latest = tag == "latest" or not (tag or at)
    return "Always" if latest else "IfNotPresent"


def _probe(probe: Object) -> None:
    fill_zero(probe, "timeoutSeconds", 1)
    fill_zero(probe, "periodSeconds", 10)
    fill_zero(probe, "successThreshold", 1)
    fill_zero(probe, "failureThreshold", 3)
    _handler(probe)


def _handler(handler: Object) -> None:
    if (get := handler.get("httpGet")) is not None:
        fill(get, "path", "/")
        fill(get, "scheme", "HTTP")
    if (call := handler.get("grpc")) is not None:
        fill(call, "service", "")


def _host_ports(container: Object) -> None:
    for port in items(container, "ports"):
        fill_zero(port, "hostPort", port.get("containerPort"))


def _volume(volume: Object) -> None:
    if all(value is None for key, value in volume.items() if key != "name"):
        volume["emptyDir"] = {}
    if (empty := volume.get("emptyDir")) and "sizeLimit" in empty:
        empty["sizeLimit"] = canonical(empty["sizeLimit"])
    if (host := volume.get("hostPath")) is not None:
        fill(host, "type", "")
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        if (source := volume.get(kind)) is not None:
            fill(source, "defaultMode", _MODE)
    if (downward := volume.get("downwardAPI")) is not None:
        _downward(downward)
    for source in items(volume.get("projected") or {}, "sources"):
        if (downward := source.get("downwardAPI")) is not None:
            _downward(downward)
        if (token := source.get("serviceAccountToken")) is not None:
            fill(token, "expirationSeconds", 3600)
    if (claim := (volume.get("ephemeral") or {}).get("volumeClaimTemplate")) is not None:
        claim_spec(section(claim, "spec"))
    if (image := volume.get("image")) is not None:
        fill(image, "pullPolicy", pull_policy(image.get("reference") or ""))
    if (disk := volume.get("iscsi")) is not None:
        fill(disk, "iscsiInterface", "default")


def _downward(source: Object) -> None:
    for item in items(source, "items"):
        if field := item.get("fieldRef"):
            fill(field, "apiVersion", "v1")
        if resource := item.get("resourceFieldRef"):
            resource["divisor"] = canonical(resource.get("divisor") or "0")


def claim_spec(spec: Object) -> None:
    """A PersistentVolumeClaim's spec, wherever it stands."""
    fill(spec, "volumeMode", "Filesystem")
    quantities(section(spec, "resources"), "limits", "requests")


def _pod_level_requests(spec: Object) -> None:
    """Requests of the pod as a whole: what its containers ask for together, else its own limit (KEP-2837)."""
    resources = spec["resources"]
    limits = resources.get("limits") or {}
    if not limits:
        return
    requests = dict(resources.get("requests") or {})
    for resource in ("cpu", "memory"):
        asked = [
            container["resources"]["requests"][resource]
            for container in items(spec, "containers")
            if resource in (container["resources"].get("requests") or {})
        ]
        if asked:
            requests.setdefault(resource, str(sum(map(parse_or_zero, asked), ZERO)))
    resources["requests"] = {**limits, **requests}
