"""The rules of the small loops: finished Jobs, pod garbage, namespaces, budgets, quotas, bootstrap tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from controllermgr.controllers import bootstrap_tokens as tokens
from controllermgr.controllers import disruption, resourcequota, ttlafterfinished
from controllermgr.controllers.namespace import Findings, told
from controllermgr.controllers.podgc import ended
from machinery.client.resources import CONFIG_MAPS, PODS
from machinery.objects.quantity import parse

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def job(ttl: int | None, **conditions: str) -> dict[str, Any]:
    spec = {} if ttl is None else {"ttlSecondsAfterFinished": ttl}
    found = [{"type": kind, "status": "True", "lastTransitionTime": since} for kind, since in conditions.items()]
    return {"metadata": {"name": "j"}, "spec": spec, "status": {"conditions": found}}


@pytest.mark.parametrize(
    ("each", "left"),
    [
        pytest.param(job(100), None, id="runs"),
        pytest.param(job(None, Complete="2026-01-01T11:59:00Z"), None, id="no limit"),
        pytest.param(job(100, Complete="2026-01-01T11:59:00Z"), 40.0, id="completed"),
        pytest.param(job(0, Failed="2026-01-01T11:59:00Z"), -60.0, id="failed"),
        pytest.param(job(100, Suspended="2026-01-01T11:59:00Z"), None, id="suspended"),
    ],
)
def test_when_a_finished_job_may_go(each: dict[str, Any], left: float | None) -> None:
    assert ttlafterfinished.seconds_left(each, NOW) == left


def test_the_oldest_of_too_many_ended_pods_go_evicted_ones_first() -> None:
    def pod(name: str, phase: str, made: int, reason: str = "") -> dict[str, Any]:
        return {
            "metadata": {"name": name, "creationTimestamp": f"2026-01-01T00:00:{made:02}Z"},
            "status": {"phase": phase, "reason": reason},
        }

    pods = [
        pod("new", "Succeeded", 9),
        pod("old", "Failed", 1),
        pod("running", "Running", 0),
        pod("evicted", "Failed", 8, "Evicted"),
    ]
    assert [each["metadata"]["name"] for each in ended(pods, 1)] == ["evicted", "old"]
    assert ended(pods, 3) == []
    assert ended(pods, 0) == [], "0 keeps all"


def test_a_namespace_tells_what_remains() -> None:
    found = Findings(Counter({"pods.": 2}), Counter({"example.com/hold": 1}), ["pods: no"], [])
    by_type = {each["type"]: each for each in told([], found, NOW)}
    assert by_type["NamespaceContentRemaining"]["message"] == (
        "Some resources are remaining: pods. has 2 resource instances"
    )
    assert by_type["NamespaceFinalizersRemaining"]["message"] == (
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    )
    assert by_type["NamespaceDeletionContentFailure"]["message"] == (
        "Failed to delete all resource types, 1 remaining: pods: no"
    )
    assert by_type["NamespaceDeletionDiscoveryFailure"]["status"] == "False"
    after = {each["type"]: each["status"] for each in told(list(by_type.values()), Findings(), NOW)}
    assert set(after.values()) == {"False"}
    assert len(after) == 5


def budget(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "b", "generation": 1}, "spec": spec}


@pytest.mark.parametrize(
    ("each", "pods", "scale", "expected"),
    [
        pytest.param(budget(minAvailable=2), 5, None, (5, 2), id="at least so many"),
        pytest.param(budget(minAvailable="50%"), 3, 5, (5, 3), id="at least a share, rounded up"),
        pytest.param(budget(maxUnavailable=1), 3, 5, (5, 4), id="at most so many missing"),
        pytest.param(budget(maxUnavailable="30%"), 5, 5, (5, 3), id="at most a share, rounded up"),
        pytest.param(budget(maxUnavailable=9), 3, 5, (5, 0), id="never below nothing"),
        pytest.param(budget(), 3, None, (3, 1), id="one, when nothing is said"),
    ],
)
def test_what_a_budget_expects(each: dict[str, Any], pods: int, scale: int | None, expected: tuple[int, int]) -> None:
    found = disruption.expected(each, [{}] * pods, scale)
    assert (found.pods, found.healthy) == expected


def test_evicted_pods_count_as_gone_until_they_are_or_it_took_too_long() -> None:
    def pod(name: str, **metadata: str) -> dict[str, Any]:
        return {
            "metadata": {"name": name, **metadata},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }

    each = budget()
    each["status"] = {
        "disruptedPods": {
            "fresh": "2026-01-01T11:59:00Z",
            "late": "2026-01-01T11:00:00Z",
            "gone": "2026-01-01T11:59:00Z",
            "going": "2026-01-01T11:59:00Z",
        }
    }
    pods = [pod("fresh"), pod("late"), pod("going", deletionTimestamp="2026-01-01T11:59:01Z"), pod("other")]
    going = disruption.disrupted(each, pods, NOW)
    assert set(going) == {"fresh"}
    assert disruption.healthy(pods, going) == 2


def test_a_quota_counts_what_it_limits() -> None:
    pod = {
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "250m"}}}]},
        "status": {"phase": "Running"},
    }
    ended = {**pod, "status": {"phase": "Succeeded"}}
    hard = {key: parse("10") for key in ("pods", "requests.cpu", "count/configmaps", "limits.memory")}
    found = resourcequota.used({"spec": {}}, hard, {PODS: [pod, pod, ended], CONFIG_MAPS: [{}]})
    assert found == {"pods": "2", "requests.cpu": "500m", "count/configmaps": "1", "limits.memory": "0"}


def test_which_resources_a_quota_has_to_follow() -> None:
    hard = dict.fromkeys(
        ["cpu", "pods", "count/deployments.apps", "requests.cpu", "services.nodeports", "secrets"], "1"
    )
    assert resourcequota.limited_names(hard) == {"pods", "deployments.apps", "secrets"}


def token(identity: str, secret: str = "s3cr3t", **data: str) -> dict[str, Any]:
    values = {"token-id": identity, "token-secret": secret, "usage-bootstrap-signing": "true", **data}
    return {
        "metadata": {"namespace": "kube-system", "name": f"bootstrap-token-{identity}"},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


def test_which_tokens_may_sign() -> None:
    misnamed = {**token("aaaaaa"), "metadata": {"name": "bootstrap-token-other"}}
    found = tokens.signing_keys(
        [
            token("abcdef"),
            token("ghijkl", expiration="2026-01-01T13:00:00Z"),
            token("expird", expiration="2026-01-01T11:00:00Z"),
            token("badtim", expiration="tomorrow"),
            token("nosign", **{"usage-bootstrap-signing": "false"}),
            token("nosecr", ""),
            misnamed,
        ],
        NOW,
    )
    assert found == {"abcdef": "s3cr3t", "ghijkl": "s3cr3t"}


def test_the_signature_is_one_that_a_joining_host_can_check() -> None:
    data = tokens.signed({"kubeconfig": "text", "jws-kubeconfig-former": "x", "other": "kept"}, {"abcdef": "s3cr3t"})
    assert set(data) == {"kubeconfig", "other", "jws-kubeconfig-abcdef"}
    header, nothing, signature = data["jws-kubeconfig-abcdef"].split(".")
    assert nothing == ""
    assert orjson.loads(base64.urlsafe_b64decode(header + "==")) == {"alg": "HS256", "kid": "abcdef"}
    payload = base64.urlsafe_b64encode(b"text").rstrip(b"=").decode()
    expected = hmac.new(b"s3cr3t", f"{header}.{payload}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "==") == expected
    assert tokens.signed({"other": "x"}, {"abcdef": "s"}) == {"other": "x"}, "nothing to sign"
