"""What the runtime is told of a pod."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.objects.quantity import parse
from nodeagent.errors import ConfigError, ImageError
from nodeagent.runtime import labels
from nodeagent.runtime.config import ContainerInput, Dns, container_config, cpu_shares, oom_score, sandbox_config
from nodeagent.runtime.images import credentials, default_policy, names, with_tag
from nodeagent.runtime.model import Image
from nodeagent.volumes.mounts import Mount
from tests.unit.nodeagent.builders import container, pod

DNS = Dns(("10.96.0.10",))


def sandbox(obj: dict[str, Any], dns: Dns = DNS) -> Any:
    return sandbox_config(obj, attempt=1, log_directory="/logs/web", dns=dns)


def configured(obj: dict[str, Any], **fields: Any) -> Any:
    given: dict[str, Any] = {
        "spec": obj["spec"]["containers"][0],
        "kind": "app",
        "attempt": 2,
        "hash": "abc",
        "image": "sha256:1",
        "command": ["run"],
        "args": ["fast"],
        "env": {"A": "1"},
    }
    return container_config(obj, ContainerInput(**{**given, **fields}))


def test_a_sandbox_carries_the_pod() -> None:
    made = sandbox(pod(metadata={"labels": {"app": "web"}, "annotations": {"note": "x"}}, restartPolicy="Never"))
    assert (made.metadata.name, made.metadata.namespace, made.metadata.uid, made.metadata.attempt) == (
        "web",
        "ns",
        "u1",
        1,
    )
    assert made.hostname == "web"
    assert made.labels["app"] == "web"
    assert made.labels["io.kubernetes.pod.uid"] == "u1"
    assert made.annotations["note"] == "x"
    assert made.annotations[labels.RESTART_POLICY] == "Never"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, (["10.96.0.10"], ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local"], ["ndots:5"])),
        ({"dnsPolicy": "Default"}, ([], [], [])),
        ({"hostNetwork": True}, ([], [], [])),
        (
            {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["x"], "options": []}},
            (["1.1.1.1"], ["x"], []),
        ),
        (
            {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}},
            (["10.96.0.10"], ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local"], ["ndots:2", "edns0"]),
        ),
    ],
    ids=["cluster", "default", "host network", "none", "own options"],
)
def test_dns(spec: dict[str, Any], expected: tuple[list[str], ...]) -> None:
    made = sandbox(pod(**spec)).dns_config
    assert (list(made.servers), list(made.searches), list(made.options)) == expected


def test_namespaces_and_ports() -> None:
    ports = [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]
    made = sandbox(pod(container(ports=ports), shareProcessNamespace=True))
    options = made.linux.security_context.namespace_options
    assert (options.network, options.pid, options.ipc) == (0, 0, 0)
    assert [(each.host_port, each.container_port) for each in made.port_mappings] == [(8080, 80)]
    options = sandbox(pod(hostNetwork=True, hostPID=True, hostIPC=True)).linux.security_context.namespace_options
    assert (options.network, options.pid, options.ipc) == (2, 2, 2)
    assert sandbox(pod()).linux.security_context.namespace_options.pid == 1


def test_a_container() -> None:
    resources = {"requests": {"cpu": "250m"}, "limits": {"cpu": "500m", "memory": "64Mi"}}
    obj = pod(container(workingDir="/srv", resources=resources))
    made = configured(obj, mounts=[Mount("/data", "/host", True, "HostToContainer")])
    assert (made.metadata.name, made.metadata.attempt, made.log_path) == ("app", 2, "app/2.log")
    assert (list(made.command), list(made.args), made.working_dir) == (["run"], ["fast"], "/srv")
    assert [(each.key, each.value) for each in made.envs] == [("A", b"1")]
    [mount] = made.mounts
    assert (mount.container_path, mount.host_path, mount.readonly, mount.propagation) == ("/data", "/host", True, 1)
    limits = made.linux.resources
    assert (limits.cpu_shares, limits.cpu_quota, limits.cpu_period) == (256, 50_000, 100_000)
    assert limits.memory_limit_in_bytes == 64 << 20
    assert made.image.user_specified_image == "nginx:1.25"
    assert made.annotations[labels.CONTAINER_KIND] == "app"


def test_security() -> None:
    own = {
        "runAsUser": 1000,
        "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    of_pod = {"runAsUser": 5, "runAsGroup": 50, "fsGroup": 60, "supplementalGroups": [70]}
    made = configured(pod(container(securityContext=own), securityContext=of_pod)).linux.security_context
    assert (made.run_as_user.value, made.run_as_group.value) == (1000, 50)
    assert list(made.supplemental_groups) == [70, 60]
    assert list(made.capabilities.add_capabilities) == ["NET_ADMIN"]
    assert list(made.capabilities.drop_capabilities) == ["ALL"]
    assert made.readonly_rootfs
    assert made.no_new_privs
    assert made.seccomp.profile_type == 0
    assert configured(pod()).linux.security_context.seccomp.profile_type == 1
    assert configured(pod(container(securityContext={"privileged": True}))).linux.security_context.privileged


@pytest.mark.parametrize(
    ("context", "image_user", "message"),
    [
        ({"runAsNonRoot": True}, "", "image will run as root"),
        ({"runAsNonRoot": True}, "0", "image will run as root"),
        ({"runAsNonRoot": True, "runAsUser": 0}, "", "runAsUser breaks non-root policy"),
        ({"runAsNonRoot": True}, "nobody", "non-numeric user"),
        ({"runAsNonRoot": True}, "1000", ""),
        ({"runAsNonRoot": True, "runAsUser": 7}, "", ""),
    ],
)
def test_root_is_refused_where_it_must_be(context: dict[str, Any], image_user: str, message: str) -> None:
    obj = pod(container(securityContext=context))
    if not message:
        configured(obj, image_user=image_user)
        return
    with pytest.raises(ConfigError, match=message):
        configured(obj, image_user=image_user)


@pytest.mark.parametrize(("cpu", "shares"), [(None, 2), ("1m", 2), ("100m", 102), ("1", 1024), ("2500m", 2560)])
def test_shares(cpu: str | None, shares: int) -> None:
    assert cpu_shares(None if cpu is None else parse(cpu)) == shares


def test_who_is_killed_first() -> None:
    def with_status(quality: str) -> dict[str, Any]:
        return pod(status={"qosClass": quality})

    half = parse("512Mi")
    assert oom_score(with_status("Guaranteed"), half, 1 << 30) == -997
    assert oom_score(with_status("BestEffort"), None, 1 << 30) == 1000
    assert oom_score(with_status("Burstable"), half, 1 << 30) == 500
    assert oom_score(with_status("Burstable"), parse("1Gi"), 1 << 30) == 3
    assert oom_score(with_status("Burstable"), None, 1 << 30) == 999


@pytest.mark.parametrize(
    ("image", "full", "policy"),
    [
        ("nginx", "nginx:latest", "Always"),
        ("nginx:1.25", "nginx:1.25", "IfNotPresent"),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest", "Always"),
        ("registry.io/App/x:1", "registry.io/App/x:1", None),
        ("a@sha256:0", "a@sha256:0", "IfNotPresent"),
    ],
)
def test_names_of_images(image: str, full: str, policy: str | None) -> None:
    if policy is None:
        with pytest.raises(ImageError) as caught:
            with_tag(image)
        assert caught.value.reason == "InvalidImageName"
        return
    assert with_tag(image) == full
    assert default_policy(full) == policy


@pytest.mark.parametrize("image", ["", "UPPER", "a b", "a:b:c", "-x", "a//b"])
def test_what_is_no_image(image: str) -> None:
    with pytest.raises(ImageError) as caught:
        with_tag(image)
    assert caught.value.reason == "InvalidImageName"


def test_credentials_are_for_their_registry() -> None:
    import base64
    import json

    auth = base64.b64encode(b"me:secret").decode()
    document = {
        "auths": {"https://quay.io": {"auth": auth}, "https://index.docker.io/v1/": {"username": "x", "password": "y"}}
    }
    secret = {"data": {".dockerconfigjson": base64.b64encode(json.dumps(document).encode()).decode()}}
    assert credentials(secret, "quay.io/team/app:1") == [
        {"username": "me", "password": "secret", "server_address": "https://quay.io"}
    ]
    [found] = credentials(secret, "nginx:1.25")
    assert found is not None
    assert found["username"] == "x"
    assert credentials(secret, "ghcr.io/a/b:1") == []


def test_images_of_a_node_are_listed_by_size() -> None:
    listed = names([Image("1", ("a:1",), ("a@sha256:1",), 5), Image("2", ("b:1",), (), 9)])
    assert listed == [{"names": ["b:1"], "sizeBytes": 9}, {"names": ["a@sha256:1", "a:1"], "sizeBytes": 5}]
