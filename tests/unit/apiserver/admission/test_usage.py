from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.limits import _check, _set_defaults
from machinery.objects.gvk import GVR
from machinery.objects.quantity import parse
from machinery.objects.quota_usage import charged, missing, scoped, usage_of

PODS = GVR("", "v1", "pods")
SERVICES = GVR("", "v1", "services")
CLAIMS = GVR("", "v1", "persistentvolumeclaims")
DEPLOYMENTS = GVR("apps", "v1", "deployments")
Object = dict[str, Any]


def pod(requests: Object | None = None, phase: str = "Running", **spec: Any) -> Object:
    resources = {"requests": requests} if requests else {}
    return {"spec": {"containers": [{"name": "c", "resources": resources}], **spec}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("resource", "obj", "used"),
    [
        (PODS, pod({"cpu": "100m"}), {"count/pods": "1", "pods": "1", "cpu": "100m", "requests.cpu": "100m"}),
        (PODS, pod({"cpu": "100m"}, phase="Succeeded"), {"count/pods": "1"}),
        (DEPLOYMENTS, {}, {"count/deployments.apps": "1"}),
        (SERVICES, {"spec": {"type": "ClusterIP"}}, {"count/services": "1", "services": "1"}),
        (
            SERVICES,
            {"spec": {"type": "LoadBalancer", "ports": [{}, {}]}},
            {"count/services": "1", "services": "1", "services.loadbalancers": "1", "services.nodeports": "2"},
        ),
        (
            CLAIMS,
            {"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}},
            {
                "count/persistentvolumeclaims": "1",
                "persistentvolumeclaims": "1",
                "requests.storage": "1Gi",
                "fast.storageclass.storage.k8s.io/requests.storage": "1Gi",
                "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
            },
        ),
    ],
)
def test_usage(resource: GVR, obj: Object, used: dict[str, str]) -> None:
    assert {key: str(amount) for key, amount in usage_of(resource, obj).items()} == used


@pytest.mark.parametrize(
    ("hard", "resource", "expected"),
    [
        ({"pods": "1"}, PODS, True),
        ({"limits.memory": "1Gi"}, PODS, True),
        ({"limits.memory": "1Gi"}, SERVICES, False),
        ({"count/deployments.apps": "1"}, DEPLOYMENTS, True),
        ({"services.nodeports": "1"}, SERVICES, True),
        ({"requests.storage": "1"}, CLAIMS, True),
    ],
)
def test_which_quotas_count(hard: Object, resource: GVR, expected: bool) -> None:
    assert charged({"spec": {"hard": hard}}, resource) is expected


@pytest.mark.parametrize(
    ("spec", "obj", "expected"),
    [
        ({"scopes": ["BestEffort"]}, pod(), True),
        ({"scopes": ["BestEffort"]}, pod({"cpu": "1"}), False),
        ({"scopes": ["Terminating"]}, pod(activeDeadlineSeconds=5), True),
        ({"scopes": ["NotTerminating"]}, pod(activeDeadlineSeconds=5), False),
        ({}, pod(), True),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]
                }
            },
            pod(priorityClassName="high"),
            True,
        ),
    ],
)
def test_scopes(spec: Object, obj: Object, expected: bool) -> None:
    assert scoped({"spec": spec}, PODS, obj) is expected


def test_what_must_be_named() -> None:
    hard = {key: parse("1") for key in ("requests.cpu", "limits.memory", "cpu", "pods")}
    assert missing(PODS, pod(), hard) == "cpu for: c; limits.memory for: c; requests.cpu for: c"
    assert missing(PODS, pod({"cpu": "1"}), hard) == "limits.memory for: c"


def amounts(**texts: str) -> Any:
    return {key: parse(text) for key, text in texts.items()}


@pytest.mark.parametrize(
    ("limit", "requests", "limits", "said"),
    [
        ({"min": {"cpu": "1"}}, {}, {}, "minimum cpu usage per Container is 1.  No request is specified"),
        ({"min": {"cpu": "1"}}, {"cpu": "500m"}, {}, "minimum cpu usage per Container is 1, but request is 500m"),
        ({"max": {"cpu": "1"}}, {}, {}, "maximum cpu usage per Container is 1.  No limit is specified"),
        ({"max": {"cpu": "1"}}, {}, {"cpu": "2"}, "maximum cpu usage per Container is 1, but limit is 2"),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"cpu": "1"},
            {"cpu": "3"},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
    ],
)
def test_limits(limit: Object, requests: Any, limits: Any, said: str) -> None:
    assert _check({"type": "Container", **limit}, amounts(**requests), amounts(**limits)) == [said]


def test_default_limits_leave_what_is_there() -> None:
    obj = {"metadata": {}, **pod({"cpu": "1"})}
    limit = {"type": "Container", "defaultRequest": {"cpu": "2", "memory": "1Gi"}, "default": {"memory": "2Gi"}}
    _set_defaults(obj, {"spec": {"limits": [limit]}})
    assert obj["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"memory": "2Gi"},
    }
    assert obj["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: memory request for container c; memory limit for container c"
    )
