"""What is particular to a kind when it is written."""

import base64
from typing import Any

import pytest
import yaml

from apiserver.resources.pods import bind
from apiserver.resources.qos import qos_class
from machinery.errors import Conflict
from tests.unit.apiserver.resources.builders import (
    DEPLOYMENT,
    JOB,
    NOW,
    POD,
    context,
    create_errors,
    make,
    row,
    said,
    update_errors,
    updated,
)

NAMESPACE = "{apiVersion: v1, kind: Namespace, metadata: {name: team}}"
NODE = "{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {phase: x, capacity: {cpu: 1}}}"
CSR = """
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: c}
spec: {signerName: kubernetes.io/kube-apiserver-client, usages: [client auth], username: somebody, request: REQUEST}
""".replace("REQUEST", base64.b64encode(b"-----BEGIN CERTIFICATE REQUEST-----\n").decode())


class TestPods:
    def test_a_new_pod_is_pending(self) -> None:
        pod = make(POD, "status: {phase: Running}")
        assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
        assert pod["metadata"]["generation"] == 1

    def test_a_gated_pod_says_so(self) -> None:
        pod = make(POD, "spec: {schedulingGates: [{name: example.com/wait}]}")
        assert pod["status"]["conditions"][0]["reason"] == "SchedulingGated"

    def test_an_update_keeps_the_status(self) -> None:
        old = make(POD)
        assert updated(old, "status: {phase: Running}")["status"]["phase"] == "Pending"

    def test_a_status_update_keeps_the_spec(self) -> None:
        old = make(POD)
        new = yaml.safe_load(yaml.safe_dump(old))
        new["spec"]["nodeName"] = "n1"
        new["status"] = {"phase": "Running"}
        new["metadata"]["labels"] = {"a": "b"}
        new["metadata"]["ownerReferences"] = [{"name": "x"}]
        row(old).strategy.prepare_status_update(context(old, subresource="status"), new, old)
        assert "nodeName" not in new["spec"]
        assert new["status"] == {"phase": "Running", "qosClass": "BestEffort"}
        assert new["metadata"]["labels"] == {"a": "b"}
        assert "ownerReferences" not in new["metadata"]

    @pytest.mark.parametrize(
        ("change", "asked", "grace"),
        [
            pytest.param("{}", None, 0, id="no node"),
            pytest.param("{}", 5, 0, id="no node, though asked"),
            pytest.param("spec: {nodeName: n1}", None, 30, id="its own"),
            pytest.param("spec: {nodeName: n1, terminationGracePeriodSeconds: 7}", None, 7, id="its own choice"),
            pytest.param("spec: {nodeName: n1}", 5, 5, id="as asked"),
            pytest.param("spec: {nodeName: n1}", 0, 0, id="at once"),
            pytest.param("spec: {nodeName: n1, terminationGracePeriodSeconds: -1}", None, 1, id="never negative"),
        ],
    )
    def test_grace(self, change: str, asked: int | None, grace: int) -> None:
        pod = make(POD, change)
        assert row(pod).strategy.grace_period(pod, asked) == grace

    def test_a_pod_that_ended_goes_at_once(self) -> None:
        pod = make(POD, "spec: {nodeName: n1}")
        pod["status"]["phase"] = "Succeeded"
        assert row(pod).strategy.grace_period(pod, None) == 0

    @pytest.mark.parametrize(
        ("resources", "expected"),
        [
            ("{}", "BestEffort"),
            ("{requests: {cpu: 0}}", "BestEffort"),
            ("{requests: {cpu: 1}}", "Burstable"),
            ("{limits: {cpu: 1, memory: 1Gi}}", "Guaranteed"),
            ("{limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}", "Burstable"),
            ("{limits: {cpu: 1}}", "Burstable"),
            ("{limits: {example.com/gpu: 1}}", "BestEffort"),
        ],
    )
    def test_quality_of_service(self, resources: str, expected: str) -> None:
        assert (
            qos_class(make(POD, f"spec: {{containers: [{{name: a, image: a, resources: {resources}}}]}}")) == expected
        )


BINDING: dict[str, Any] = {
    "metadata": {"name": "web", "annotations": {"by": "me"}},
    "target": {"kind": "Node", "name": "n1"},
}


class TestBinding:
    def test_binds(self) -> None:
        pod = make(POD)
        bound = bind(pod, BINDING, now=NOW)
        assert bound["spec"]["nodeName"] == "n1"
        assert bound["metadata"]["annotations"] == {"by": "me"}
        assert bound["status"]["conditions"] == [
            {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": NOW}
        ]
        assert "nodeName" not in pod["spec"], "the argument stays as it was"

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ("spec: {nodeName: n0}", 'pod web is already assigned to node "n0"'),
            (
                "metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}",
                "pod web is being deleted, cannot be assigned to a host",
            ),
            ("spec: {schedulingGates: [{name: a.b/c}]}", "pod web has non-empty .spec.schedulingGates"),
            ("metadata: {uid: other}", "Precondition failed: UID in precondition: u1, UID in object meta: other"),
        ],
    )
    def test_refuses(self, change: str, why: str) -> None:
        pod = make(POD, change)
        binding = {**BINDING, "metadata": {"name": "web", "uid": "u1"}}
        with pytest.raises(Conflict) as refused:
            bind(pod, binding, now=NOW)
        assert refused.value.message == f'Operation cannot be fulfilled on pods/binding "web": {why}'


class TestNamespaces:
    def test_has_its_finalizer_label_and_phase(self) -> None:
        namespace = make(NAMESPACE)
        assert namespace["spec"] == {"finalizers": ["kubernetes"]}
        assert namespace["status"] == {"phase": "Active"}
        assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}

    def test_only_finalize_takes_the_finalizer(self) -> None:
        old = make(NAMESPACE)
        assert updated(old, "spec: {finalizers: []}")["spec"] == {"finalizers": ["kubernetes"]}
        strategy = row(old).strategy
        assert strategy.holds_back(old)
        done = {**old, "spec": {"finalizers": []}, "status": {"phase": "Broken"}}
        strategy.prepare_subresource(context(old, subresource="finalize"), done, old)
        assert not strategy.holds_back(done)
        assert done["status"] == {"phase": "Active"}

    def test_ends_as_terminating(self) -> None:
        namespace = make(NAMESPACE)
        row(namespace).strategy.deletion_begins(namespace)
        assert namespace["status"]["phase"] == "Terminating"

    def test_is_named_by_a_label(self) -> None:
        assert row(make(NAMESPACE)).strategy.name_problems("a.b") == ["must not contain dots"]


class TestNodes:
    def test_registers_with_its_status(self) -> None:
        assert make(NODE)["status"]["capacity"] == {"cpu": "1"}

    def test_updates_leave_the_status(self) -> None:
        old = make(NODE)
        assert updated(old, "status: {phase: y}")["status"]["phase"] == "x"

    def test_what_stays(self) -> None:
        old = make(NODE, "spec: {podCIDRs: [10.0.0.0/24], podCIDR: 10.0.0.0/24}")
        new = updated(old, "spec: {podCIDRs: [10.0.1.0/24]}")
        assert said(row(old).strategy.validate_update(new, old)) == [
            'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
        ]


class TestJobs:
    def test_finds_its_pods_by_its_uid(self) -> None:
        job = make(JOB)
        assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u1"}}
        assert job["spec"]["template"]["metadata"]["labels"] == {
            "batch.kubernetes.io/controller-uid": "u1",
            "batch.kubernetes.io/job-name": "once",
            "controller-uid": "u1",
            "job-name": "once",
        }
        assert create_errors(JOB) == []

    def test_takes_no_foreign_label_for_its_own(self) -> None:
        errors = create_errors(JOB, "spec: {template: {metadata: {labels: {job-name: other}}}}")
        assert [error.rpartition(": ")[2] for error in errors] == ["must be 'once'"]

    def test_must_end(self) -> None:
        assert create_errors(JOB, "spec: {template: {spec: {restartPolicy: Always}}}") == [
            'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
        ]

    def test_keeps_its_template(self) -> None:
        (text,) = update_errors(JOB, "spec: {template: {spec: {nodeSelector: {a: b}}}}")
        assert text.startswith("spec.template: Invalid value: {")
        assert text.endswith(": field is immutable")

    def test_may_be_steered_while_it_waits(self) -> None:
        old = make(JOB, "spec: {suspend: true}")
        new = updated(old, "spec: {template: {spec: {nodeSelector: {a: b}}}}")
        assert row(old).strategy.validate_update(new, old) == []

    def test_an_indexed_job_counts(self) -> None:
        assert create_errors(JOB, "spec: {completionMode: Indexed, parallelism: 2}") == [
            "spec.completions: Required value: when completion mode is Indexed"
        ]

    def test_orphans_unless_told_otherwise(self) -> None:
        assert row(make(JOB)).strategy.orphans_by_default


class TestDeployments:
    def test_generation_counts_changes_of_spec_and_annotations(self) -> None:
        old = make(DEPLOYMENT)
        assert updated(old)["metadata"]["generation"] == 1
        assert updated(old, "metadata: {labels: {a: b}}")["metadata"]["generation"] == 1
        assert updated(old, "spec: {replicas: 2}")["metadata"]["generation"] == 2
        assert updated(old, "metadata: {annotations: {a: b}}")["metadata"]["generation"] == 2
        assert updated(old, "status: {replicas: 2}")["metadata"]["generation"] == 1

    def test_the_status_is_the_controllers(self) -> None:
        assert make(DEPLOYMENT, "status: {replicas: 5}")["status"] == {}


class TestCertificateSigningRequests:
    def test_the_server_says_who_asks(self) -> None:
        assert make(CSR)["spec"]["username"] == "tester"
        assert make(CSR)["spec"]["groups"] == ["system:authenticated"]

    def test_approval_writes_conditions_and_their_times(self) -> None:
        old = make(CSR)
        asked = yaml.safe_load(yaml.safe_dump(old))
        asked["status"] = {"conditions": [{"type": "Approved", "status": "True"}], "certificate": "eA=="}
        asked["spec"]["username"] = "other"
        strategy = row(old).strategy
        strategy.prepare_subresource(context(old, subresource="approval"), asked, old)
        assert asked["status"] == {
            "conditions": [{"type": "Approved", "status": "True", "lastUpdateTime": NOW, "lastTransitionTime": NOW}]
        }
        assert asked["spec"]["username"] == "tester"
        assert strategy.validate_subresource("approval", asked, old) == []

    def test_nothing_is_both_approved_and_denied(self) -> None:
        old = make(CSR)
        both = {**old, "status": {"conditions": [{"type": kind, "status": "True"} for kind in ("Approved", "Denied")]}}
        assert said(row(old).strategy.validate_subresource("approval", both, old)) == [
            'status.conditions[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'
        ]

    def test_signing_leaves_the_decision_alone(self) -> None:
        old = make(CSR)
        old["status"] = {"conditions": [{"type": "Approved", "status": "True", "lastTransitionTime": "then"}]}
        signed = {**old, "status": {"certificate": "eA=="}}
        row(old).strategy.prepare_status_update(context(old, subresource="status"), signed, old)
        assert signed["status"]["certificate"] == "eA=="
        assert [each["type"] for each in signed["status"]["conditions"]] == ["Approved"]
