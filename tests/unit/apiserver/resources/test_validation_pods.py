"""Pods: what a new one must be, and what may change about it."""

from typing import Any

import pytest

from tests.unit.apiserver.resources.builders import (
    POD,
    context,
    create_errors,
    golden,
    make,
    row,
    said,
    update_errors,
    updated,
)


def container(fields: str) -> str:
    return f"spec: {{containers: [{{name: web, image: 'nginx:1', {fields}}}]}}"


CASES = golden("validation/pods.yaml")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_create(case: dict[str, Any]) -> None:
    assert create_errors(POD, case["change"]) == case["errors"]


CHANGEABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
    "previously negative)"
)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("spec: {containers: [{name: web, image: 'nginx:2', imagePullPolicy: IfNotPresent}]}", id="image"),
        pytest.param("spec: {activeDeadlineSeconds: 5}", id="deadline"),
        pytest.param("spec: {tolerations: [{key: a, operator: Exists}]}", id="toleration"),
        pytest.param("metadata: {labels: {a: b}}", id="labels"),
    ],
)
def test_what_may_change(change: str) -> None:
    assert update_errors(POD, change) == []


def test_the_rest_of_the_spec_stays() -> None:
    (text,) = update_errors(POD, "spec: {nodeSelector: {a: b}}")
    head, _, difference = text.partition("\n")
    assert head == f"spec: Forbidden: pod updates may not change fields other than {CHANGEABLE}"
    assert '+   "nodeSelector": {' in difference


def test_containers_stay() -> None:
    assert update_errors(POD, "spec: {containers: [{name: web, image: a}, {name: b, image: b}]}") == [
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    ]


def test_gated_pods_may_still_choose_their_nodes() -> None:
    old = make(POD, "spec: {schedulingGates: [{name: example.com/wait}]}")
    new = updated(old, "spec: {nodeSelector: {a: b}}")
    assert row(old).strategy.validate_update(new, old) == []
    more = updated(old, "spec: {schedulingGates: [{name: example.com/wait}, {name: example.com/more}]}")
    assert said(row(old).strategy.validate_update(more, old)) == [
        "spec.schedulingGates[1]: Forbidden: only deletion is allowed, but found new scheduling gate 'example.com/more'"
    ]


def test_ephemeral_containers_are_added_and_stay() -> None:
    strategy = row(make(POD)).strategy
    assert create_errors(POD, "spec: {ephemeralContainers: [{name: e, image: a}]}") == [
        "spec.ephemeralContainers: Forbidden: cannot be set on create"
    ]
    old = make(POD)
    asked = make(POD, "spec: {nodeSelector: {a: b}, ephemeralContainers: [{name: e, image: a}]}")
    strategy.prepare_subresource(context(old, subresource="ephemeralcontainers"), asked, old)
    assert "nodeSelector" not in asked["spec"]
    assert strategy.validate_subresource("ephemeralcontainers", asked, old) == []
    gone = make(POD)
    strategy.prepare_subresource(context(old, subresource="ephemeralcontainers"), gone, asked)
    assert said(strategy.validate_subresource("ephemeralcontainers", gone, asked)) == [
        'spec.ephemeralContainers: Forbidden: existing ephemeral containers "e" may not be removed\n'
    ]


def test_a_resize_changes_resources_and_nothing_else() -> None:
    old = make(POD, container("resources: {requests: {cpu: 1}}"))
    asked = make(POD, container("resources: {requests: {cpu: 2}}, workingDir: /tmp"))
    strategy = row(old).strategy
    strategy.prepare_subresource(context(old, subresource="resize"), asked, old)
    assert asked["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "2"}}
    assert "workingDir" not in asked["spec"]["containers"][0]
    assert asked["metadata"]["generation"] == 2
    assert strategy.validate_subresource("resize", asked, old) == []


def test_a_resize_keeps_the_quality_of_service() -> None:
    old = make(POD, container("resources: {requests: {cpu: 1, memory: 1Gi}}"))
    asked = make(POD, container("resources: {limits: {cpu: 1, memory: 1Gi}}"))
    assert said(row(old).strategy.validate_subresource("resize", asked, old)) == [
        'spec: Invalid value: "Guaranteed": Pod QOS Class may not change as a result of resizing'
    ]


def test_a_resize_takes_nothing_away() -> None:
    old = make(POD, container("resources: {requests: {cpu: 1, memory: 1Gi}}"))
    asked = make(POD, container("resources: {requests: {cpu: 1}}"))
    assert said(row(old).strategy.validate_subresource("resize", asked, old)) == [
        "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"
    ]


def test_gated_pods_only_gain_node_labels() -> None:
    old = make(POD, "spec: {schedulingGates: [{name: example.com/wait}], nodeSelector: {a: b}}")
    new = updated(old, "spec: {nodeSelector: {a: c}}")
    detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
    assert said(row(old).strategy.validate_update(new, old)) == [
        f'spec.nodeSelector: Invalid value: {{"a":"c"}}: {detail}'
    ]


def test_a_status_keeps_the_quality_of_service() -> None:
    old = make(POD)
    new = {**old, "status": {"phase": "Running", "qosClass": "Guaranteed"}}
    assert said(row(old).strategy.validate_status_update(new, old)) == [
        'status.qosClass: Invalid value: "Guaranteed": field is immutable'
    ]


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        pytest.param(
            container("env: [{name: A, value: x}, {name: A, value: y}]"),
            'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
            id="variable twice",
        ),
        pytest.param(
            container("ports: [{containerPort: 80}, {containerPort: 80, name: again}]"),
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
            id="port twice",
        ),
        pytest.param(
            container("resources: {requests: {memory: 128m}}"),
            "spec.containers[0].resources.requests[memory]: "
            'fractional byte value "128m" is invalid, must be an integer',
            id="memory in thousandths of bytes",
        ),
        pytest.param(
            "spec: {nodeSelector: {beta.kubernetes.io/os: linux}}",
            'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
            id="old label",
        ),
        pytest.param(
            "spec: {terminationGracePeriodSeconds: -5}",
            "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
            id="negative grace",
        ),
    ],
)
def test_warnings(change: str, warning: str) -> None:
    pod = make(POD, change)
    assert row(pod).strategy.warnings(pod) == [warning]
    assert row(pod).strategy.validate_create(pod) == []


def test_label_keys_become_requirements_on_the_pods_own_labels() -> None:
    keys = "matchLabelKeys: [hash, none], mismatchLabelKeys: [team]"
    term = f"{{topologyKey: zone, labelSelector: {{matchLabels: {{app: web}}}}, {keys}}}"
    rule = "topologyKey: zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule"
    spread = f"{{{rule}, labelSelector: {{}}, matchLabelKeys: [hash]}}"
    affinity = f"{{podAntiAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{term}]}}}}"
    labels = "metadata: {labels: {hash: h1, team: t1}}"
    spec = make(POD, labels, f"spec: {{affinity: {affinity}, topologySpreadConstraints: [{spread}]}}")["spec"]
    (resolved,) = spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert resolved["labelSelector"]["matchExpressions"] == [
        {"key": "hash", "operator": "In", "values": ["h1"]},
        {"key": "team", "operator": "NotIn", "values": ["t1"]},
    ]
    assert spec["topologySpreadConstraints"][0]["labelSelector"] == {
        "matchExpressions": [{"key": "hash", "operator": "In", "values": ["h1"]}]
    }
