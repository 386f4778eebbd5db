"""The default ClusterRoles for people, nodes and components, as kube-apiserver has them.

`admin`, `edit` and `view` have no rules here: they are the sums of the roles with their aggregation label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apiserver.auth.bootstrap.notation import (
    API_GROUP,
    API_VERSION,
    EVENTS,
    READ,
    WRITE,
    Object,
    cluster_role,
    metadata,
)

_AUTHENTICATION = "authentication.k8s.io"
_AUTHORIZATION = "authorization.k8s.io"
_CERTIFICATES = "certificates.k8s.io"
_COORDINATION = "coordination.k8s.io"
_DISCOVERY = "discovery.k8s.io"
_NETWORKING = "networking.k8s.io"
_RESOURCE = "resource.k8s.io"
_STORAGE = "storage.k8s.io"
_TOKEN_REVIEWS = f"create | {_AUTHENTICATION} | tokenreviews"
_ACCESS_REVIEWS = f"create | {_AUTHORIZATION} | subjectaccessreviews"

_AGGREGATED: Mapping[str, Mapping[str, str]] = {
    "admin": {},
    "edit": {"rbac.authorization.k8s.io/aggregate-to-admin": "true"},
    "view": {"rbac.authorization.k8s.io/aggregate-to-edit": "true"},
}
"""A role that sums others up -> its own labels."""

NODE_RULES: Sequence[str] = (
    _TOKEN_REVIEWS,
    f"create | {_AUTHORIZATION} | localsubjectaccessreviews subjectaccessreviews",
    f"{READ} | core | services",
    f"create {READ} | core | nodes",
    "patch update | core | nodes/status",
    "patch update | core | nodes",
    "create patch update | core | events",
    f"{READ} | core | pods",
    "create delete | core | pods",
    "patch update | core | pods/status",
    "create | core | pods/eviction",
    f"{READ} | core | configmaps secrets",
    "get | core | persistentvolumeclaims persistentvolumes",
    "get | core | endpoints",
    f"create {READ} | {_CERTIFICATES} | certificatesigningrequests",
    f"create delete get patch update | {_COORDINATION} | leases",
    f"get | {_STORAGE} | volumeattachments",
    "get patch update | core | persistentvolumeclaims/status",
    "create | core | serviceaccounts/token",
    f"{READ} | {_STORAGE} | csidrivers",
    f"create delete get patch update | {_STORAGE} | csinodes",
    f"{READ} | node.k8s.io | runtimeclasses",
    f"get | {_RESOURCE} | resourceclaims",
    f"deletecollection | {_RESOURCE} | resourceslices",
    f"create delete get list patch update watch | {_RESOURCE} | resourceslices",
)
"""What a node may at all; the Node authorizer narrows it to the objects that concern it."""

_VIEW: Sequence[str] = (
    (
        f"{READ} | core | configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods"
        " replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status"
    ),
    (
        f"{READ} | core | bindings events limitranges namespaces/status pods/log pods/status"
        " replicationcontrollers/status resourcequotas resourcequotas/status"
    ),
    f"{READ} | core | namespaces",
    f"{READ} | {_DISCOVERY} | endpointslices",
    (
        f"{READ} | apps | controllerrevisions daemonsets daemonsets/status deployments deployments/scale"
        " deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale"
        " statefulsets/status"
    ),
    f"{READ} | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status",
    f"{READ} | batch | cronjobs cronjobs/status jobs jobs/status",
    (
        f"{READ} | extensions | daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses"
        " ingresses/status networkpolicies replicasets replicasets/scale replicasets/status"
        " replicationcontrollers/scale"
    ),
    f"{READ} | policy | poddisruptionbudgets poddisruptionbudgets/status",
    f"{READ} | {_NETWORKING} | ingresses ingresses/status networkpolicies",
    f"{READ} | {_RESOURCE} | resourceclaims resourceclaims/status resourceclaimtemplates",
)

_EDIT: Sequence[str] = (
    f"{READ} | core | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy",
    "impersonate | core | serviceaccounts",
    f"{WRITE} | core | pods pods/attach pods/exec pods/portforward pods/proxy",
    "create | core | pods/eviction",
    (
        f"{WRITE} | core | configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale"
        " secrets serviceaccounts services services/proxy"
    ),
    "create | core | serviceaccounts/token",
    (
        f"{WRITE} | apps | daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale"
        " statefulsets statefulsets/scale"
    ),
    f"{WRITE} | autoscaling | horizontalpodautoscalers",
    f"{WRITE} | batch | cronjobs jobs",
    (
        f"{WRITE} | extensions | daemonsets deployments deployments/rollback deployments/scale ingresses"
        " networkpolicies replicasets replicasets/scale replicationcontrollers/scale"
    ),
    f"{WRITE} | policy | poddisruptionbudgets",
    f"{WRITE} | {_NETWORKING} | ingresses networkpolicies",
    f"{WRITE} {READ} | {_COORDINATION} | leases",
    f"{WRITE} | {_RESOURCE} | resourceclaims resourceclaimtemplates",
)

_ADMIN: Sequence[str] = (
    f"create | {_AUTHORIZATION} | localsubjectaccessreviews",
    f"{WRITE} {READ} | {API_GROUP} | rolebindings roles",
)

_PLAIN: Mapping[str, Sequence[str]] = {
    "cluster-admin": ("* | * | *", "* | *"),
    "system:discovery": (
        "get | /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
    ),
    "system:monitoring": ("get | /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*",),
    "system:basic-user": (
        f"create | {_AUTHORIZATION} | selfsubjectaccessreviews selfsubjectrulesreviews",
        f"create | {_AUTHENTICATION} | selfsubjectreviews",
    ),
    "system:public-info-viewer": ("get | /healthz /livez /readyz /version /version/",),
    "system:heapster": (
        f"{READ} | core | events namespaces nodes pods",
        f"{READ} | extensions | deployments",
    ),
    "system:node": NODE_RULES,
    "system:node-problem-detector": ("get | core | nodes", "patch | core | nodes/status", EVENTS),
    "system:kubelet-api-admin": (
        f"{READ} | core | nodes",
        "proxy | core | nodes",
        "* | core | nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats",
    ),
    "system:node-bootstrapper": (f"create {READ} | {_CERTIFICATES} | certificatesigningrequests",),
    "system:auth-delegator": (_TOKEN_REVIEWS, _ACCESS_REVIEWS),
    "system:kube-aggregator": (f"{READ} | core | endpoints services",),
    "system:kube-controller-manager": (
        EVENTS,
        f"create | {_COORDINATION} | leases",
        f"get update | {_COORDINATION} | leases | kube-controller-manager",
        "create | core | secrets serviceaccounts",
        "delete | core | secrets",
        "get | core | configmaps namespaces secrets serviceaccounts",
        "update | core | secrets serviceaccounts",
        _TOKEN_REVIEWS,
        _ACCESS_REVIEWS,
        "list watch | * | *",
        "create | core | serviceaccounts/token",
    ),
    "system:kube-dns": ("list watch | core | endpoints services",),
    "system:persistent-volume-provisioner": (
        f"create delete {READ} | core | persistentvolumes",
        f"{READ} update | core | persistentvolumeclaims",
        f"{READ} | {_STORAGE} | storageclasses",
        "watch | core | events",
        EVENTS,
    ),
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": (
        f"create | {_CERTIFICATES} | certificatesigningrequests/nodeclient",
    ),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": (
        f"create | {_CERTIFICATES} | certificatesigningrequests/selfnodeclient",
    ),
    "system:volume-scheduler": (
        f"{READ} patch update | core | persistentvolumes",
        f"{READ} | {_STORAGE} | storageclasses",
        f"{READ} patch update | core | persistentvolumeclaims",
    ),
    "system:certificates.k8s.io:legacy-unknown-approver": (
        f"approve | {_CERTIFICATES} | signers | kubernetes.io/legacy-unknown",
    ),
    "system:certificates.k8s.io:kubelet-serving-approver": (
        f"approve | {_CERTIFICATES} | signers | kubernetes.io/kubelet-serving",
    ),
    "system:certificates.k8s.io:kube-apiserver-client-approver": (
        f"approve | {_CERTIFICATES} | signers | kubernetes.io/kube-apiserver-client",
    ),
    "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver": (
        f"approve | {_CERTIFICATES} | signers | kubernetes.io/kube-apiserver-client-kubelet",
    ),
    "system:cluster-trust-bundle-discovery": (f"{READ} | {_CERTIFICATES} | clustertrustbundles",),
    "system:service-account-issuer-discovery": ("get | /.well-known/openid-configuration /openid/v1/jwks",),
    "system:node-proxier": (
        "list watch | core | endpoints services",
        f"{READ} | core | nodes",
        EVENTS,
        f"list watch | {_DISCOVERY} | endpointslices",
        f"list watch | {_NETWORKING} | servicecidrs",
    ),
    "system:kube-scheduler": (
        EVENTS,
        f"create | {_COORDINATION} | leases",
        f"get list watch | {_COORDINATION} | leases",
        f"update | {_COORDINATION} | leases | kube-scheduler",
        f"create get list watch | {_COORDINATION} | leasecandidates",
        f"{READ} | core | nodes",
        f"delete {READ} | core | pods",
        "create | core | bindings pods/binding",
        "patch update | core | pods/status",
        f"{READ} | core | replicationcontrollers services",
        f"{READ} | apps extensions | replicasets",
        f"{READ} | apps | statefulsets",
        f"{READ} | policy | poddisruptionbudgets",
        f"{READ} | core | persistentvolumeclaims persistentvolumes",
        _TOKEN_REVIEWS,
        _ACCESS_REVIEWS,
        f"{READ} | {_STORAGE} | csinodes",
        f"{READ} | core | namespaces",
        f"{READ} | {_STORAGE} | csidrivers csistoragecapacities volumeattachments",
        f"{READ} | {_RESOURCE} | deviceclasses resourceslices",
        f"{READ} patch update | {_RESOURCE} | resourceclaims",
        f"patch update | {_RESOURCE} | resourceclaims/status",
    ),
}


def cluster_roles() -> list[Object]:
    """The default ClusterRoles, freshly made."""
    roles = [cluster_role(name, lines) for name, lines in _PLAIN.items()]
    for name, labels in _AGGREGATED.items():
        selector = {"matchLabels": {f"rbac.authorization.k8s.io/aggregate-to-{name}": "true"}}
        roles.append(
            {
                "apiVersion": API_VERSION,
                "kind": "ClusterRole",
                "metadata": metadata(name, labels=labels),
                "aggregationRule": {"clusterRoleSelectors": [selector]},
                "rules": [],
            }
        )
    for name, lines in (("admin", _ADMIN), ("edit", _EDIT), ("view", _VIEW)):
        labels = {f"rbac.authorization.k8s.io/aggregate-to-{name}": "true"}
        roles.append(cluster_role(f"system:aggregate-to-{name}", lines, labels=labels))
    return roles
