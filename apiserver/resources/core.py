"""The core group: rows of v1."""

from __future__ import annotations

from apiserver.resources.columns import core as columns
from apiserver.resources.columns import groups, nodes
from apiserver.resources.columns import pods as pod_columns
from apiserver.resources.defaults import core as defaults
from apiserver.resources.namespaces import NamespaceStrategy
from apiserver.resources.nodes import NodeStrategy
from apiserver.resources.pods import PodStrategy
from apiserver.resources.rows import ALL, SCALE, STATUS, built_in, text
from apiserver.resources.rules import Rules
from apiserver.resources.secrets import SecretStrategy
from apiserver.resources.services import ServiceStrategy
from apiserver.resources.spec import SubresourceSpec
from apiserver.resources.validation import core as validation
from apiserver.resources.validation import limits
from apiserver.resources.validation import services as service_validation
from apiserver.resources.validation import storage_k8s as storage_validation
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
        "v1",
        "Binding",
        "bindings",
        verbs=("create",),
        storage="",
        strategy=Rules(status=False, generation=False, validate=validation.binding),
    ),
    built_in(
        "v1",
        "ComponentStatus",
        "componentstatuses",
        namespaced=False,
        short=("cs",),
        verbs=("get", "list"),
        storage="",
        columns=columns.COMPONENT_STATUS,
        deprecation="v1 ComponentStatus is deprecated in v1.19+",
        strategy=Rules(status=False, generation=False),
    ),
    built_in(
        "v1",
        "ConfigMap",
        "configmaps",
        short=("cm",),
        columns=columns.CONFIG_MAP,
        strategy=Rules(
            status=False, generation=False, validate=validation.config_map, update=validation.config_map_update
        ),
    ),
    built_in(
        "v1",
        "Endpoints",
        "endpoints",
        singular="endpoints",
        short=("ep",),
        storage="services/endpoints",
        columns=columns.ENDPOINTS,
        deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
        strategy=Rules(
            status=False,
            generation=False,
            create_on_update=True,
            default=defaults.endpoints,
            validate=service_validation.endpoints,
        ),
    ),
    built_in(
        "v1",
        "Event",
        "events",
        short=("ev",),
        columns=columns.EVENT,
        strategy=Rules(status=False, generation=False, create_on_update=True, validate=validation.event),
        selectable=_EVENT_FIELDS,
    ),
    built_in(
        "v1",
        "LimitRange",
        "limitranges",
        short=("limits",),
        columns=groups.PLAIN,
        strategy=Rules(
            status=False,
            generation=False,
            create_on_update=True,
            default=defaults.limit_range,
            validate=limits.limit_range,
        ),
    ),
    built_in(
        "v1",
        "Namespace",
        "namespaces",
        namespaced=False,
        short=("ns",),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        subresources=(STATUS, SubresourceSpec("finalize", verbs=("update",))),
        columns=columns.NAMESPACE,
        strategy=NamespaceStrategy(),
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
        columns=nodes.COLUMNS,
        strategy=NodeStrategy(),
        selectable={"spec.unschedulable": lambda node: str(bool(node.get("spec", {}).get("unschedulable"))).lower()},
    ),
    built_in(
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        short=("pvc",),
        subresources=(STATUS,),
        columns=columns.CLAIM,
        strategy=Rules(
            generation=False,
            initial_status={"phase": "Pending"},
            default=defaults.persistent_volume_claim,
            validate=storage_validation.claim,
            update=storage_validation.claim_update,
        ),
    ),
    built_in(
        "v1",
        "PersistentVolume",
        "persistentvolumes",
        namespaced=False,
        short=("pv",),
        subresources=(STATUS,),
        columns=columns.VOLUME,
        strategy=Rules(
            generation=False,
            initial_status={"phase": "Pending"},
            default=defaults.persistent_volume,
            validate=storage_validation.volume,
            update=storage_validation.volume_update,
        ),
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
        columns=pod_columns.COLUMNS,
        strategy=PodStrategy(),
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
    built_in(
        "v1",
        "PodTemplate",
        "podtemplates",
        columns=pod_columns.TEMPLATE_COLUMNS,
        strategy=Rules(status=False, default=defaults.pod_template, validate=validation.pod_template),
    ),
    built_in(
        "v1",
        "ReplicationController",
        "replicationcontrollers",
        short=("rc",),
        categories=ALL,
        storage="controllers",
        subresources=(STATUS, SCALE),
        columns=columns.REPLICATION_CONTROLLER,
        strategy=Rules(
            orphans=True,
            initial_status={"replicas": 0},
            default=defaults.replication_controller,
            validate=validation.replication_controller,
        ),
        selectable={"status.replicas": lambda rc: str(rc.get("status", {}).get("replicas", 0))},
    ),
    built_in(
        "v1",
        "ResourceQuota",
        "resourcequotas",
        short=("quota",),
        subresources=(STATUS,),
        columns=columns.RESOURCE_QUOTA,
        strategy=Rules(
            generation=False,
            initial_status={},
            default=defaults.resource_quota,
            validate=limits.resource_quota,
            update=limits.resource_quota_update,
        ),
    ),
    built_in(
        "v1",
        "Secret",
        "secrets",
        columns=columns.SECRET,
        strategy=SecretStrategy(),
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
        columns=columns.SERVICE_ACCOUNT,
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
        columns=columns.SERVICE,
        strategy=ServiceStrategy(),
        selectable={"spec.clusterIP": text("spec", "clusterIP"), "spec.type": text("spec", "type")},
    ),
)
