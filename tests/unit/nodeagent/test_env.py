"""Environment and command lines of containers."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from machinery.objects.quantity import parse
from nodeagent.errors import ConfigError
from nodeagent.pods import env
from nodeagent.pods.backoff import Backoff
from tests.unit.nodeagent.builders import container, pod

SECRET = {"kind": "Secret", "data": {"word": base64.b64encode(b"sesame").decode()}}
CONFIG = {"data": {"colour": "blue", "with=sign": "dropped"}}


def sources(obj: dict[str, Any] | None = None, **fields: Any) -> env.Sources:
    given: dict[str, Any] = {
        "pod_ips": ("10.0.0.5", "fd00::5"),
        "host_ips": ("172.18.0.2",),
        "allocatable": {"memory": parse("1Gi")},
        "config_maps": {"conf": CONFIG, "absent": None},
        "secrets": {"hush": SECRET, "absent": None},
    }
    return env.Sources(pod=obj or pod(), **{**given, **fields})


def value(of: dict[str, Any], **fields: Any) -> str | None:
    spec = container(env=[{"name": "X", "valueFrom": of}], **fields)
    return env.make(spec, sources()).get("X")


def test_later_variables_see_earlier_ones() -> None:
    spec = container(
        env=[
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)-$(C)-$$(A)-$(HOST)"},
            {"name": "C", "value": "late"},
        ]
    )
    made = env.make(spec, sources(services={"HOST": "10.96.0.1"}))
    assert made == {"HOST": "10.96.0.1", "A": "1", "B": "1-$(C)-$(A)-10.96.0.1", "C": "late"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(NOBODY)", "$(NOBODY)"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("a$(A)b$(A)c", "a1b1c"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    assert env.expand(text, {"A": "1"}) == expanded


def test_references_to_keys() -> None:
    assert value({"configMapKeyRef": {"name": "conf", "key": "colour"}}) == "blue"
    assert value({"secretKeyRef": {"name": "hush", "key": "word"}}) == "sesame"
    assert value({"configMapKeyRef": {"name": "absent", "key": "x", "optional": True}}) is None
    assert value({"secretKeyRef": {"name": "hush", "key": "x", "optional": True}}) is None


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ({"configMapKeyRef": {"name": "absent", "key": "x"}}, 'configmap "absent" not found'),
        ({"secretKeyRef": {"name": "absent", "key": "x"}}, 'secret "absent" not found'),
        ({"configMapKeyRef": {"name": "conf", "key": "x"}}, "couldn't find key x in ConfigMap ns/conf"),
        ({"secretKeyRef": {"name": "hush", "key": "x"}}, "couldn't find key x in Secret ns/hush"),
        ({"fieldRef": {"fieldPath": "status.phase"}}, "unsupported fieldPath: status.phase"),
    ],
    ids=["config map", "secret", "config map key", "secret key", "field"],
)
def test_what_is_missing_says_so(of: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        value(of)


def test_all_keys_with_a_prefix() -> None:
    spec = container(
        envFrom=[
            {"prefix": "C_", "configMapRef": {"name": "conf"}},
            {"secretRef": {"name": "hush"}},
            {"secretRef": {"name": "absent", "optional": True}},
        ],
        env=[{"name": "C_colour", "value": "red"}],
    )
    assert env.make(spec, sources()) == {"C_colour": "red", "word": "sesame"}
    with pytest.raises(ConfigError, match='configmap "absent" not found'):
        env.make(container(envFrom=[{"configMapRef": {"name": "absent"}}]), sources())
    assert env.references([spec]) == ({"conf"}, {"hush", "absent"})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "ns"),
        ("metadata.uid", "u1"),
        ("metadata.labels['app.kubernetes.io/name']", "shop"),
        ("metadata.annotations['none']", ""),
        ("metadata.labels", 'app.kubernetes.io/name="shop"'),
        ("spec.nodeName", "n1"),
        ("spec.serviceAccountName", "robot"),
        ("status.podIP", "10.0.0.5"),
        ("status.podIPs", "10.0.0.5,fd00::5"),
        ("status.hostIP", "172.18.0.2"),
    ],
)
def test_fields(path: str, expected: str) -> None:
    obj = pod(serviceAccountName="robot", metadata={"labels": {"app.kubernetes.io/name": "shop"}})
    assert env.field_value(path, sources(obj)) == expected


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ({"resource": "limits.memory"}, str(64 << 20)),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "requests.cpu"}, "1"),
        ({"resource": "requests.cpu", "divisor": "1m"}, "250"),
        ({"resource": "requests.memory"}, "0"),
    ],
)
def test_resources(ref: dict[str, Any], expected: str) -> None:
    limits = {"limits": {"memory": "64Mi"}, "requests": {"cpu": "250m"}}
    assert value({"resourceFieldRef": ref}, resources=limits) == expected


def test_no_limit_is_what_the_node_has() -> None:
    assert value({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Gi"}}) == "1"


def test_services() -> None:
    def service(name: str, namespace: str, ip: str) -> dict[str, Any]:
        ports = [{"name": "http", "port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
        return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": ip, "ports": ports}}

    every = [
        service("my-web", "ns", "10.96.0.7"),
        service("kubernetes", "default", "10.96.0.1"),
        service("other", "elsewhere", "10.96.0.8"),
        service("headless", "ns", "None"),
    ]
    made = env.service_variables(every, "ns", links=True)
    assert made["MY_WEB_SERVICE_HOST"] == "10.96.0.7"
    assert made["MY_WEB_SERVICE_PORT"] == made["MY_WEB_SERVICE_PORT_HTTP"] == "80"
    assert made["MY_WEB_PORT"] == made["MY_WEB_PORT_80_TCP"] == "tcp://10.96.0.7:80"
    assert made["MY_WEB_PORT_53_UDP_PROTO"] == "udp"
    assert made["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert not [name for name in made if name.startswith(("OTHER", "HEADLESS"))]
    only = env.service_variables(every, "ns", links=False)
    assert {name.partition("_")[0] for name in only} == {"KUBERNETES"}


def test_command_lines_are_expanded() -> None:
    spec = container(command=["run", "$(A)"], args=["--to=$(A)", "$(B)"])
    assert env.command_line(spec, {"A": "1"}) == (["run", "1"], ["--to=1", "$(B)"])


def test_backoff_doubles_to_five_minutes_and_forgets_after_ten() -> None:
    backoff, now, waits = Backoff(), 1000.0, []
    assert backoff.left(now, now) == 0
    for _ in range(7):
        backoff.grow(now, now)
        waits.append(backoff.left(now, now))
        now += waits[-1]
    assert waits == [10, 20, 40, 80, 160, 300, 300]
    assert backoff.left(now + 601, now + 601) == 0
    backoff.grow(now + 601, now + 601)
    assert backoff.delay == 10
