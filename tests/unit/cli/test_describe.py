"""Descriptions are kubectl's, blank for blank; what is expected here was taken from kubectl 1.33."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.describe.containers import probe
from cli.describe.events import events
from cli.describe.generic import generic, spaced
from cli.describe.jobs import indexes
from cli.describe.nodes import taint
from cli.describe.pods import toleration
from cli.describe.rbac import compact
from cli.describe.registry import DESCRIBERS
from cli.describe.seen import Seen
from cli.describe.services import reached
from cli.describe.text import Text, align
from machinery.objects import timefmt

NOW = datetime(2026, 1, 1, tzinfo=UTC)
THEN = timefmt.format(datetime(2025, 12, 31, 23, 0, tzinfo=UTC))


def described(kind: tuple[str, str], obj: dict[str, Any], **seen: Any) -> list[str]:
    text = Text()
    DESCRIBERS.get(kind, generic)(text, obj, Seen(NOW, **seen))
    return text.render().splitlines()


def about(name: str = "web", **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "default", "uid": "u", "creationTimestamp": THEN, **more}


def test_columns_are_cells_under_each_other() -> None:
    lines = [
        "Name:\tweb",
        "Labels:\ta=1",
        "\tb=2",
        "Containers:",
        "  app:",
        "    Image:\tnginx",
        "    Restart Count:\t0",
    ]
    assert align(lines) == [
        "Name:    web",
        "Labels:  a=1",
        "         b=2",
        "Containers:",
        "  app:",
        "    Image:          nginx",
        "    Restart Count:  0",
    ]


def test_a_cut_ends_columns() -> None:
    text = Text()
    text.field("A", 1)
    text.cut()
    text.field("Long", 2)
    assert text.render() == "A:  1\nLong:  2\n"


def test_terminals_are_not_written_to() -> None:
    text = Text()
    text.field("A", "\x1b[31mred\r")
    assert text.render() == "A:  ^[[31mred\\r\n"


def test_annotations_that_are_long_stand_under_their_key_and_are_cut() -> None:
    text = Text()
    kept = {"a": "1", "long": "x" * 150, "lines": "one\ntwo\n"}
    text.annotations("Annotations", {**kept, "kubectl.kubernetes.io/last-applied-configuration": "{}"})
    assert text.render().splitlines() == [
        "Annotations:  a: 1",
        "              lines:",
        "                one",
        "                two",
        "              long:",
        f"                {'x' * 138}...",
    ]


POD: dict[str, Any] = {
    "metadata": about(labels={"app": "web"}),
    "spec": {
        "nodeName": "n1",
        "containers": [
            {
                "name": "app",
                "image": "nginx",
                "command": ["sh", "-c", "echo 1\necho 2"],
                "resources": {"limits": {"cpu": "0.5", "memory": "128Mi"}},
                "envFrom": [{"prefix": "P_", "secretRef": {"name": "s"}}],
                "env": [
                    {"name": "A", "value": "1"},
                    {"name": "N", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
                    {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                    {"name": "M", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
                    {"name": "R", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}},
                    {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                ],
                "volumeMounts": [{"name": "e", "mountPath": "/e", "subPath": "x", "readOnly": True}],
            }
        ],
        "volumes": [{"name": "e", "emptyDir": {}}, {"name": "w", "quobyte": {}}],
        "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
    },
    "status": {
        "phase": "Running",
        "hostIP": "10.0.0.1",
        "podIP": "10.1.0.1",
        "podIPs": [{"ip": "10.1.0.1"}],
        "qosClass": "Burstable",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {
                "name": "app",
                "ready": True,
                "restartCount": 2,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "not shown"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": THEN, "finishedAt": THEN}},
            }
        ],
    },
}


def test_pod() -> None:
    at = f"{timefmt.parse(THEN).astimezone():%a, %d %b %Y %H:%M:%S %z}"
    assert described(("", "Pod"), POD) == [
        "Name:         web",
        "Namespace:    default",
        "Node:         n1/10.0.0.1",
        "Labels:       app=web",
        "Annotations:  <none>",
        "Status:       Running",
        "IP:           10.1.0.1",
        "IPs:",
        "  IP:  10.1.0.1",
        "Containers:",
        "  app:",
        "    Container ID:  ",
        "    Image:         nginx",
        "    Image ID:      ",
        "    Port:          <none>",
        "    Host Port:     <none>",
        "    Command:",
        "      sh",
        "      -c",
        "      echo 1",
        "      echo 2",
        "    State:          Waiting",
        "      Reason:       CrashLoopBackOff",
        "    Last State:     Terminated",
        "      Reason:       Error",
        "      Exit Code:    1",
        f"      Started:      {at}",
        f"      Finished:     {at}",
        "    Ready:          True",
        "    Restart Count:  2",
        "    Limits:",
        "      cpu:     500m",
        "      memory:  128Mi",
        "    Environment Variables from:",
        "      s  Secret with prefix 'P_'  Optional: false",
        "    Environment:",
        "      A:  1",
        "      N:  web (v1:metadata.name)",
        "      C:  1 (limits.cpu)",
        "      M:  128 (limits.memory)",
        "      R:  0 (requests.cpu)",
        "      S:  <set to the key 'k' in secret 's'>  Optional: false",
        "    Mounts:",
        '      /e from e (ro,path="x")',
        "Conditions:",
        "  Type    Status",
        "  Ready   True ",
        "Volumes:",
        "  e:",
        "    Type:       EmptyDir (a temporary directory that shares a pod's lifetime)",
        "    Medium:     ",
        "    SizeLimit:  <unset>",
        "  w:",
        "  <unknown>",
        "QoS Class:       Burstable",
        "Node-Selectors:  <none>",
        "Tolerations:     k:NoExecute op=Exists for 300s",
    ]


def test_a_pod_that_ends_says_since_when() -> None:
    pod = {**POD, "metadata": about(deletionTimestamp=THEN, deletionGracePeriodSeconds=30)}
    lines = described(("", "Pod"), pod)
    assert "Status:                    Terminating (lasts 60m)" in lines
    assert "Termination Grace Period:  30s" in lines


def test_node_says_what_its_pods_ask_for_of_what_it_has() -> None:
    node = {
        "metadata": {"name": "n1", "creationTimestamp": THEN, "labels": {"node-role.kubernetes.io/worker": ""}},
        "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "110", "example.com/gpu": "4"}},
    }
    pod = {
        "metadata": about(),
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "250m", "memory": "128Mi"}}}]},
    }
    lines = described(("", "Node"), node, pods=[pod, pod], lease={"spec": {"holderIdentity": "n1"}})
    assert "Roles:              worker" in lines
    assert lines[lines.index("Lease:") :][1:4] == [
        "  HolderIdentity:  n1",
        "  AcquireTime:     <unset>",
        "  RenewTime:       <unset>",
    ]
    assert lines[next(index for index, line in enumerate(lines) if line.startswith("Non-terminated")) :] == [
        "Non-terminated Pods:          (2 in total)",
        "  Namespace                   Name    CPU Requests  CPU Limits  Memory Requests  Memory Limits  Age",
        "  ---------                   ----    ------------  ----------  ---------------  -------------  ---",
        "  default                     web     250m (12%)    0 (0%)      128Mi (12%)      0 (0%)         60m",
        "  default                     web     250m (12%)    0 (0%)      128Mi (12%)      0 (0%)         60m",
        "Allocated resources:",
        "  (Total limits may be over 100 percent, i.e., overcommitted.)",
        "  Resource           Requests     Limits",
        "  --------           --------     ------",
        "  cpu                500m (25%)   0 (0%)",
        "  memory             256Mi (25%)  0 (0%)",
        "  ephemeral-storage  0 (0%)       0 (0%)",
        "  example.com/gpu    0            0",
    ]


def test_what_may_not_be_seen_is_said() -> None:
    node = {"metadata": {"name": "n1", "creationTimestamp": THEN}}
    lines = described(("", "Node"), node, pods=None, lease="leases are forbidden")
    assert lines[-1].split(":", 1)[1].strip() == "not authorized"
    assert "Lease:              Failed to get lease: leases are forbidden" in lines


def _replica_set(name: str, image: str, replicas: int) -> dict[str, Any]:
    labels = {"app": "web", "pod-template-hash": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"replicas": replicas, "template": template}
    return {"metadata": about(f"web-{name}"), "spec": spec, "status": {"replicas": replicas}}


def test_deployment_names_its_old_and_its_new_replica_sets() -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "two"}]}}
    obj = {
        "metadata": about(),
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template},
        "status": {"conditions": [{"type": "Available", "status": "True", "reason": "Enough"}]},
    }
    sets = [_replica_set("a", "one", 1), _replica_set("b", "two", 3)]
    lines = described(("apps", "Deployment"), obj, replica_sets=sets)
    assert lines[-5:] == [
        "  Type           Status  Reason",
        "  ----           ------  ------",
        "  Available      True    Enough",
        "OldReplicaSets:  web-a (1/1 replicas created)",
        "NewReplicaSet:   web-b (3/3 replicas created)",
    ]
    assert "Replicas:           3 desired | 0 updated | 0 total | 0 available | 0 unavailable" in lines
    assert "   c:" in lines, "names in a template stand one column further in, as kubectl has them"


def _slice(*ready: bool, ports: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    ends = [{"addresses": [f"10.0.0.{index}"], "conditions": {"ready": each}} for index, each in enumerate(ready)]
    return {"endpoints": ends, "ports": [{"name": "", "port": 80}] if ports is None else ports}


@pytest.mark.parametrize(
    ("slices", "said"),
    [
        pytest.param([], "<none>", id="none"),
        pytest.param([_slice(False, True)], "10.0.0.1:80", id="only-the-ready"),
        pytest.param([_slice(*[True] * 5)], "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more...", id="many"),
        pytest.param([_slice(True, ports=[{"name": "other", "port": 1}])], "", id="another-port"),
        pytest.param([_slice(True, ports=[])], "10.0.0.0", id="no-ports"),
    ],
)
def test_endpoints_of_a_service(slices: list[dict[str, Any]], said: str) -> None:
    assert reached(slices, "") == said


def test_service() -> None:
    spec = {
        "type": "NodePort",
        "clusterIP": "10.0.0.9",
        "clusterIPs": ["10.0.0.9"],
        "ports": [{"port": 80, "targetPort": "http", "nodePort": 30001, "protocol": "TCP"}],
        "sessionAffinity": "None",
        "externalTrafficPolicy": "Cluster",
        "internalTrafficPolicy": "Cluster",
    }
    assert described(("", "Service"), {"metadata": about(), "spec": spec}, slices=[_slice(True)])[4:] == [
        "Selector:                 <none>",
        "Type:                     NodePort",
        "IP Families:              <none>",
        "IP:                       10.0.0.9",
        "IPs:                      10.0.0.9",
        "Port:                     <unset>  80/TCP",
        "TargetPort:               http/TCP",
        "NodePort:                 <unset>  30001/TCP",
        "Endpoints:                10.0.0.0:80",
        "Session Affinity:         None",
        "External Traffic Policy:  Cluster",
        "Internal Traffic Policy:  Cluster",
    ]


def test_rules_are_compacted_and_in_kubectls_order() -> None:
    rules = [
        {"apiGroups": [""], "resources": ["pods/log", "pods"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": ["web"], "verbs": ["update"]},
        {"nonResourceURLs": ["/healthz"], "verbs": ["get", "post"]},
    ]
    assert [each.cells for each in compact(rules)] == [
        ("pods", "[]", "[]", "[get list]"),
        ("", "[/healthz]", "[]", "[get]"),
        ("pods/log", "[]", "[]", "[get]"),
        ("", "[/healthz]", "[]", "[post]"),
        ("deployments.apps/scale", "[]", "[web]", "[update]"),
    ]


def test_contents_are_shown_or_counted() -> None:
    config_map = {"metadata": about(), "data": {"a": "one\ntwo"}, "binaryData": {"b": "AAAA"}}
    assert described(("", "ConfigMap"), config_map)[4:] == [
        "", "Data", "====", "a:", "----", "one", "two", "", "", "BinaryData", "====", "b: 3 bytes", "",
    ]  # fmt: skip
    secret = {"metadata": about(), "type": "Opaque", "data": {"a": base64.b64encode(b"12345").decode()}}
    assert described(("", "Secret"), secret)[4:] == ["", "Type:  Opaque", "", "Data", "====", "a:  5 bytes"]


def test_namespace_with_what_bounds_it() -> None:
    quota = {"metadata": about("q"), "spec": {}, "status": {"hard": {"pods": "10"}, "used": {"pods": "1"}}}
    limits = {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}}
    obj = {"metadata": {"name": "default"}, "status": {"phase": "Active"}}
    assert described(("", "Namespace"), obj, quotas=[quota], limit_ranges=[limits])[4:] == [
        "",
        "Resource Quotas",
        "  Name:     q",
        "  Resource  Used  Hard",
        "  --------  ---   ---",
        "  pods      1     10",
        "",
        "Resource Limits",
        " Type       Resource  Min  Max  Default Request  Default Limit  Max Limit/Request Ratio",
        " ----       --------  ---  ---  ---------------  -------------  -----------------------",
        " Container  cpu       -    2    -                -              -",
    ]
    assert described(("", "Namespace"), obj)[4:] == ["", "No resource quota.", "", "No LimitRange resource."]


def test_events_come_oldest_first_with_how_often() -> None:
    text = Text()
    listed: list[dict[str, Any]] = [
        {"type": "Normal", "reason": "Late", "firstTimestamp": THEN, "lastTimestamp": THEN, "message": "m\n"},
        {
            "type": "Warning",
            "reason": "Often",
            "firstTimestamp": "2025-12-31T20:00:00Z",
            "lastTimestamp": "2025-12-31T22:00:00Z",
            "count": 3,
            "source": {"component": "kubelet"},
            "message": "again",
        },
        {"type": "Normal", "reason": "New", "eventTime": "2025-12-31T23:59:50.000000Z", "reportingComponent": "sched"},
    ]
    events(text, listed, NOW)
    assert (
        text.render().splitlines()
        == [
            "Events:",
            "  Type     Reason  Age                  From     Message",
            "  ----     ------  ----                 ----     -------",
            "  Normal   New     10s                  sched    ",
            "  Warning  Often   120m (x3 over 4h)    kubelet  again",
            "  Normal   Late    60m                           m",
        ]
        or text.render()
    )


def test_no_events() -> None:
    text = Text()
    events(text, [], NOW)
    assert text.render() == "Events:  <none>\n"


def test_generic_is_a_tree_of_spaced_names() -> None:
    obj = {
        "apiVersion": "example.com/v1",
        "kind": "Ship",
        "metadata": {**about("a"), "managedFields": [{}], "resourceVersion": "7"},
        "spec": {"maxSpeed": 3, "crew": [{"name": "x", "ok": True}, "y"], "empty": {}, "none": None},
    }
    assert described(("example.com", "Ship"), obj) == [
        "Name:         a",
        "Namespace:    default",
        "Labels:       <none>",
        "Annotations:  <none>",
        "API Version:  example.com/v1",
        "Kind:         Ship",
        "Metadata:",
        f"  Creation Timestamp:  {THEN}",
        "  Resource Version:    7",
        "  UID:                 u",
        "Spec:",
        "  Crew:",
        "    Name:  x",
        "    Ok:    true",
        "    y",
        "  Empty:",
        "  Max Speed:  3",
        "  None:       <nil>",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [("maxSpeed", "Max Speed"), ("uid", "UID"), ("apiVersion", "API Version"), ("podIPs", "Pod I Ps"),
     ("UIDList", "UID List"), ("a.b/cD", "a.b/cD"), ("x1", "x1")],
)  # fmt: skip
def test_names_are_spaced(name: str, said: str) -> None:
    assert spaced(name) == said


@pytest.mark.parametrize(
    ("each", "said"),
    [
        ({"operator": "Exists"}, "op=Exists"),
        ({"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"}, "a=b:NoSchedule"),
        ({"key": "a", "operator": "Exists", "tolerationSeconds": 0}, "a op=Exists for 0s"),
    ],
)
def test_toleration(each: dict[str, Any], said: str) -> None:
    assert toleration(each) == said


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"exec": {"command": ["a", "b"]}}, "exec [a b]"),
        ({"httpGet": {"scheme": "HTTP", "port": 8080, "path": "/x"}}, "http-get http://:8080/x"),
        ({"tcpSocket": {"port": "db", "host": "h"}}, "tcp-socket h:db"),
        ({"grpc": {"port": 9, "service": "s"}}, "grpc <pod>:9 s"),
    ],
)
def test_probe(spec: dict[str, Any], said: str) -> None:
    numbers = {"initialDelaySeconds": 5, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1,
               "failureThreshold": 3}  # fmt: skip
    assert probe({**spec, **numbers}) == f"{said} delay=5s timeout=1s period=10s #success=1 #failure=3"


def test_taint_and_indexes() -> None:
    assert taint({"key": "k", "value": "v", "effect": "NoSchedule"}) == "k=v:NoSchedule"
    assert indexes("") == "<none>"
    assert indexes("0-3,7") == "0-3,7"
    assert indexes("1," * 30) == f"{'1,' * 26}..."
