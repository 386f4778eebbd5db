"""Which kind is described by what. A kind that is not here gets the generic description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cli.describe import contents, jobs, limits, rbac, services, storage, workloads
from cli.describe.autoscaling import autoscaler
from cli.describe.certificates import signing_request
from cli.describe.network_policies import network_policy
from cli.describe.nodes import node
from cli.describe.pods import pod
from cli.describe.seen import Seen
from cli.describe.text import Text

Describer = Callable[[Text, Mapping[str, Any], Seen], None]
"""Writes what an object (with metadata, as the server answers it) says to the text."""

DESCRIBERS: Mapping[tuple[str, str], Describer] = {
    ("", "ConfigMap"): contents.config_map,
    ("", "Endpoints"): services.endpoints,
    ("", "LimitRange"): limits.limit_range,
    ("", "Namespace"): limits.namespace,
    ("", "Node"): node,
    ("", "PersistentVolume"): storage.persistent_volume,
    ("", "PersistentVolumeClaim"): storage.persistent_volume_claim,
    ("", "Pod"): pod,
    ("", "ReplicationController"): workloads.replication_controller,
    ("", "ResourceQuota"): limits.resource_quota,
    ("", "Secret"): contents.secret,
    ("", "Service"): services.service,
    ("", "ServiceAccount"): rbac.service_account,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): autoscaler,
    ("batch", "CronJob"): jobs.cron_job,
    ("batch", "Job"): jobs.job,
    ("certificates.k8s.io", "CertificateSigningRequest"): signing_request,
    ("discovery.k8s.io", "EndpointSlice"): services.endpoint_slice,
    ("networking.k8s.io", "IPAddress"): services.ip_address,
    ("networking.k8s.io", "Ingress"): services.ingress,
    ("networking.k8s.io", "IngressClass"): services.ingress_class,
    ("networking.k8s.io", "NetworkPolicy"): network_policy,
    ("networking.k8s.io", "ServiceCIDR"): services.service_cidr,
    ("policy", "PodDisruptionBudget"): limits.disruption_budget,
    ("rbac.authorization.k8s.io", "ClusterRole"): rbac.role,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): rbac.binding,
    ("rbac.authorization.k8s.io", "Role"): rbac.role,
    ("rbac.authorization.k8s.io", "RoleBinding"): rbac.binding,
    ("scheduling.k8s.io", "PriorityClass"): limits.priority_class,
    ("storage.k8s.io", "CSINode"): storage.csi_node,
    ("storage.k8s.io", "StorageClass"): storage.storage,
    ("storage.k8s.io", "VolumeAttributesClass"): storage.volume_attributes,
}

WITHOUT_EVENTS = {
    ("", "LimitRange"), ("", "Namespace"), ("", "ResourceQuota"), ("", "Secret"),
    ("networking.k8s.io", "NetworkPolicy"),
    *((group, kind) for group, kind in DESCRIBERS if group == "rbac.authorization.k8s.io"),
}  # fmt: skip
"""Kinds whose descriptions end without events, as kubectl's do."""
