"""The core group: rows of v1."""

from __future__ import annotations

from apiserver.resources.rows import ALL, SCALE, STATUS, built_in, text
from apiserver.resources.rules import Rules
from apiserver.resources.spec import SubresourceSpec
from machinery.objects.gvk import GVK

_PROXY_VERBS = ("create", "delete", "get", "patch", "update")


def _options(name: str, kind: str, *verbs: str) -> SubresourceSpec:
    return SubresourceSpec(name, verbs=verbs, kind=GVK("", "v1", kind))


_EVENT_FIELDS = {
    **{
        f"involvedObject.{field}": text("involvedObject", field)
        for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reason": text("reason"),
    "reportingComponent": lambda event: event.get("reportingComponent") or text("source", "component")(event),
    "source": lambda event: text("source", "component")(event) or event.get("reportingComponent") or "",
    "type": text("type"),
}

ROWS = (
    built_in(
        "v1", "Binding", "bindings", verbs=("create",), storage="", strategy=Rules(status=False, generation=False)
    ),
    built_in(
        "v1",
        "ComponentStatus",
        "componentstatuses",
        namespaced=False,
        short=("cs",),
        verbs=("get", "list"),
        storage="",
        strategy=Rules(status=False, generation=False),
    ),
    built_in("v1", "ConfigMap", "configmaps", short=("cm",), strategy=Rules(status=False, generation=False)),
    built_in(
        "v1",
        "Endpoints",
        "endpoints",
        singular="endpoints",
        short=("ep",),
        storage="services/endpoints",
        strategy=Rules(status=False, generation=False, create_on_update=True),
    ),
    built_in(
        "v1",
        "Event",
        "events",
        short=("ev",),
        strategy=Rules(status=False, generation=False, create_on_update=True),
        selectable=_EVENT_FIELDS,
    ),
    built_in(
        "v1",
        "LimitRange",
        "limitranges",
        short=("limits",),
        strategy=Rules(status=False, generation=False, create_on_update=True),
    ),
    built_in(
        "v1",
        "Namespace",
        "namespaces",
        namespaced=False,
        short=("ns",),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        subresources=(STATUS, SubresourceSpec("finalize", verbs=("update",))),
        strategy=Rules(generation=False),
        selectable={"status.phase": text("status", "phase")},
    ),
    built_in(
        "v1",
        "Node",
        "nodes",
        namespaced=False,
        short=("no",),
        storage="minions",
        subresources=(STATUS, _options("proxy", "NodeProxyOptions", *_PROXY_VERBS)),
        strategy=Rules(generation=False),
        selectable={"spec.unschedulable": lambda node: str(bool(node.get("spec", {}).get("unschedulable"))).lower()},
    ),
    built_in(
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        short=("pvc",),
        subresources=(STATUS,),
        strategy=Rules(generation=False),
    ),
    built_in(
        "v1",
        "PersistentVolume",
        "persistentvolumes",
        namespaced=False,
        short=("pv",),
        subresources=(STATUS,),
        strategy=Rules(generation=False),
    ),
    built_in(
        "v1",
        "Pod",
        "pods",
        short=("po",),
        categories=ALL,
        subresources=(
            STATUS,
            _options("attach", "PodAttachOptions", "create", "get"),
            SubresourceSpec("binding", verbs=("create",), kind=GVK("", "v1", "Binding")),
            SubresourceSpec("ephemeralcontainers"),
            SubresourceSpec("eviction", verbs=("create",), kind=GVK("policy", "v1", "Eviction")),
            _options("exec", "PodExecOptions", "create", "get"),
            SubresourceSpec("log", verbs=("get",)),
            _options("portforward", "PodPortForwardOptions", "create", "get"),
            _options("proxy", "PodProxyOptions", *_PROXY_VERBS),
            SubresourceSpec("resize"),
        ),
        strategy=Rules(),
        selectable={
            "spec.nodeName": text("spec", "nodeName"),
            "spec.restartPolicy": text("spec", "restartPolicy"),
            "spec.schedulerName": text("spec", "schedulerName"),
            "spec.serviceAccountName": text("spec", "serviceAccountName"),
            "spec.hostNetwork": lambda pod: str(bool(pod.get("spec", {}).get("hostNetwork"))).lower(),
            "status.phase": text("status", "phase"),
            "status.podIP": text("status", "podIP"),
            "status.podIPs": text("status", "podIP"),
            "status.nominatedNodeName": text("status", "nominatedNodeName"),
        },
    ),
    built_in("v1", "PodTemplate", "podtemplates", strategy=Rules(status=False)),
    built_in(
        "v1",
        "ReplicationController",
        "replicationcontrollers",
        short=("rc",),
        categories=ALL,
        storage="controllers",
        subresources=(STATUS, SCALE),
        strategy=Rules(orphans=True),
        selectable={"status.replicas": lambda rc: str(rc.get("status", {}).get("replicas", 0))},
    ),
    built_in(
        "v1",
        "ResourceQuota",
        "resourcequotas",
        short=("quota",),
        subresources=(STATUS,),
        strategy=Rules(generation=False),
    ),
    built_in(
        "v1",
        "Secret",
        "secrets",
        strategy=Rules(status=False, generation=False),
        selectable={"type": text("type")},
    ),
    built_in(
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        short=("sa",),
        subresources=(
            SubresourceSpec("token", verbs=("create",), kind=GVK("authentication.k8s.io", "v1", "TokenRequest")),
        ),
        strategy=Rules(status=False, generation=False),
    ),
    built_in(
        "v1",
        "Service",
        "services",
        short=("svc",),
        categories=ALL,
        storage="services/specs",
        subresources=(STATUS, _options("proxy", "ServiceProxyOptions", *_PROXY_VERBS)),
        strategy=Rules(generation=False, create_on_update=True),
        selectable={"spec.clusterIP": text("spec", "clusterIP"), "spec.type": text("spec", "type")},
    ),
)
