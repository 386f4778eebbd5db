"""`describe` of what people look at most: the facts that they look for."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

from tests.e2e.pilot.conftest import Pilot

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ships.example.com}
spec:
  group: example.com
  names: {kind: Ship, plural: ships, singular: ship}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_node(here: Pilot) -> None:
    lines = _lines(here("describe", "node", "node-1"))
    for expected in ("Name: node-1", "Taints: <none>", "Unschedulable: false", "Addresses:", "Capacity:", "pods: 110"):
        assert expected in lines
    assert any(line.startswith("CreationTimestamp: ") and "T" not in line.split(", ")[1] for line in lines)
    assert any(line.startswith("Ready True ") and "KubeletReady" in line for line in lines)


def test_deployment_pod_and_service(here: Pilot, web: str) -> None:
    lines = _lines(here("describe", web))
    assert "Replicas: 2 desired | 2 updated | 2 total | 2 available | 0 unavailable" in lines
    assert "Available True MinimumReplicasAvailable" in lines
    assert any("ScalingReplicaSet" in line for line in lines)
    pod = here("get", "pods", "-l", "app=web", "-o", "name").split()[0]
    lines = _lines(here("describe", pod))
    name = pod.partition("/")[2]
    assert f"Name: {name}" in lines and "Status: Running" in lines and "Image: busybox" in lines
    assert any(f"Successfully assigned test-describe/{name} to node-" in line for line in lines)
    assert _lines(here("describe", "pods", name[:-2]))[0] == f"Name: {name}", "a prefix will do"
    here("create", "service", "clusterip", "web", "--tcp=80:8080")
    address = here("get", "svc", "web", "-o", "jsonpath={.spec.clusterIP}")
    lines = _lines(here("describe", "svc/web"))
    for expected in (
        "Selector: app=web",
        "Type: ClusterIP",
        f"IP: {address}",
        "Port: 80-8080 80/TCP",
        "TargetPort: 8080/TCP",
    ):
        assert expected in lines


def test_custom_resource(here: Pilot) -> None:
    here("create", "-f", "-", stdin=DEFINITION)
    here("wait", "crd/ships.example.com", "--for=condition=Established", "--timeout=30s")
    ship = {"apiVersion": "example.com/v1", "kind": "Ship", "metadata": {"name": "s"}, "spec": {"maxSpeed": 7}}
    here("apply", "-f", "-", stdin=yaml.safe_dump(ship))
    lines = _lines(here("describe", "ship", "s"))
    for expected in ("Name: s", "API Version: example.com/v1", "Kind: Ship", "Max Speed: 7"):
        assert expected in lines
    assert here("apply", "-f", "-", stdin=yaml.safe_dump(ship)) == "ship.example.com/s unchanged\n"
    here("delete", "crd", "ships.example.com")
    assert "doesn't have a resource type" in here.fails("get", "ships")


@pytest.fixture(scope="module")
def much(here: Pilot, web: str) -> None:
    """Objects of many kinds, at rest."""
    here("apply", "-f", str(pathlib.Path(__file__).with_name("described.yaml")))
    here("expose", web, "--port=80", "--name=described")
    here("wait", "pod/big", "--for=jsonpath={.status.phase}=Running", "--timeout=60s")


@pytest.mark.parametrize(
    "what",
    [
        "nodes", "namespaces", "serviceaccounts", "pods", "deployments", "replicasets", "services", "endpointslices",
        "configmaps", "secrets", "resourcequotas", "limitranges", "networkpolicies", "poddisruptionbudgets",
        "horizontalpodautoscalers", "persistentvolumeclaims", "clusterroles", "clusterrolebindings", "priorityclasses",
    ],
)  # fmt: skip
def test_it_is_what_kubectl_says(here: Pilot, much: None, what: str) -> None:
    """Blank for blank, but for the moments that pass between the two: ages, and when a node was last heard of."""
    words = ("describe", what, "--show-events=false")
    ours, theirs = here(*words), here.kubectl(*words)
    assert _at_rest(ours) == _at_rest(theirs)


def _at_rest(text: str) -> list[str]:
    lines = [line for line in text.split("\n") if "RenewTime:" not in line and "KubeletHas" not in line]
    return [re.sub(r" +(Age|---|[0-9]+[smh][0-9smh]*)$", "", line) for line in lines if "KubeletReady" not in line]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("pod nope", 'Error from server (NotFound): pods "nope" not found'),
        ("nope", 'error: the server doesn\'t have a resource type "nope"'),
        ("", "error: You must specify the type of resource to describe."),
        ("-- nope", 'error: the server doesn\'t have a resource type "nope"'),
        ("pod x -l a=b", "error: name cannot be provided when a selector is specified"),
    ],
)
def test_refusals(here: Pilot, words: str, said: str) -> None:
    assert here.fails("describe", *words.split()).startswith(said)
