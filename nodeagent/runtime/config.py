"""From a pod to what the runtime is told: the CRI configurations of its sandbox and its containers. Pure.

Rules: kubelet's pkg/kubelet/kuberuntime (sandbox and container configuration, resources, security context).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from machinery.objects import meta
from machinery.objects import pod as pods
from machinery.objects.quantity import Quantity, parse
from nodeagent.errors import ConfigError
from nodeagent.runtime import labels
from nodeagent.volumes.mounts import Mount
from protos.pool import messages

Object = Mapping[str, Any]

CPU_PERIOD = 100_000
MIN_SHARES = 2
MIN_QUOTA = 1_000
PROPAGATION = {"None": 0, "HostToContainer": 1, "Bidirectional": 2}


@dataclass(frozen=True, slots=True)
class Dns:
    """What resolv.conf of a pod is made from. No servers: the node's own file is used."""

    servers: Sequence[str] = ()
    domain: str = "cluster.local"


@dataclass(frozen=True, slots=True)
class ContainerInput:
    """What was found out for one container before it can be configured."""

    spec: Object
    kind: str
    attempt: int
    hash: str
    image: str
    """The id or reference of the image on the node."""
    command: Sequence[str]
    args: Sequence[str]
    env: Mapping[str, str]
    mounts: Sequence[Mount] = ()
    image_user: str = ""
    """The user that the image names; "" is root."""
    memory_capacity: int = 0
    """The node's memory in bytes, by which kubelet scales the OOM score."""


def sandbox_config(pod: Object, *, attempt: int, log_directory: str, dns: Dns) -> Any:
    """The configuration of a pod's sandbox."""
    m = messages("runtime.v1")
    spec = pods.spec(pod)
    config = m.PodSandboxConfig(
        metadata=m.PodSandboxMetadata(
            name=meta.name(pod), uid=meta.uid(pod), namespace=meta.namespace(pod), attempt=attempt
        ),
        log_directory=log_directory,
        labels={**meta.labels(pod), **pod_labels(pod)},
        annotations={**meta.annotations(pod), labels.RESTART_POLICY: pods.restart_policy(pod)},
    )
    if not pods.host_network(pod):
        config.hostname = hostname(pod)
        for container in (*pods.init_containers(pod), *pods.containers(pod)):
            for port in container.get("ports") or ():
                if port.get("hostPort"):
                    config.port_mappings.add(
                        protocol=m.Protocol[port.get("protocol") or "TCP"].number,
                        container_port=int(port["containerPort"]),
                        host_port=int(port["hostPort"]),
                        host_ip=port.get("hostIP") or "",
                    )
    _dns(config.dns_config, pod, dns)
    _sandbox_security(config.linux.security_context, pod)
    context = spec.get("securityContext") or {}
    for each in context.get("sysctls") or ():
        config.linux.sysctls[each["name"]] = each["value"]
    return config


def pod_labels(pod: Object) -> dict[str, str]:
    """The labels by which the agent finds a pod's sandboxes again."""
    return {
        labels.POD_NAME: meta.name(pod),
        labels.POD_NAMESPACE: meta.namespace(pod),
        labels.POD_UID: meta.uid(pod),
    }


def hostname(pod: Object) -> str:
    """The pod's host name: 63 characters at most, never ending in a dot or dash."""
    return str(pods.spec(pod).get("hostname") or meta.name(pod))[:63].rstrip("-.")


def _dns(config: Any, pod: Object, dns: Dns) -> None:
    spec = pods.spec(pod)
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and pods.host_network(pod):
        policy = "Default"
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet") and dns.servers:
        config.servers.extend(dns.servers)
        namespace = meta.namespace(pod)
        config.searches.extend((f"{namespace}.svc.{dns.domain}", f"svc.{dns.domain}", dns.domain))
        config.options.append("ndots:5")
    own = spec.get("dnsConfig") or {}
    config.servers.extend(each for each in own.get("nameservers") or () if each not in config.servers)
    config.searches.extend(each for each in own.get("searches") or () if each not in config.searches)
    for option in own.get("options") or ():
        name, value = option["name"], option.get("value")
        kept = [each for each in config.options if each.partition(":")[0] != name]
        del config.options[:]
        config.options.extend([*kept, name if value is None else f"{name}:{value}"])


def _namespaces(options: Any, pod: Object) -> None:
    modes = messages("runtime.v1").NamespaceMode
    spec = pods.spec(pod)
    host, of_pod, of_container = modes["NODE"].number, modes["POD"].number, modes["CONTAINER"].number
    options.network = host if spec.get("hostNetwork") else of_pod
    options.ipc = host if spec.get("hostIPC") else of_pod
    options.pid = host if spec.get("hostPID") else of_pod if spec.get("shareProcessNamespace") else of_container


def _sandbox_security(security: Any, pod: Object) -> None:
    context = pods.spec(pod).get("securityContext") or {}
    _namespaces(security.namespace_options, pod)
    _groups(security, context)
    if context.get("runAsUser") is not None:
        security.run_as_user.value = context["runAsUser"]
    if context.get("runAsGroup") is not None and context.get("runAsUser") is not None:
        security.run_as_group.value = context["runAsGroup"]
    every = (*pods.init_containers(pod), *pods.containers(pod))
    security.privileged = any((each.get("securityContext") or {}).get("privileged") for each in every)
    _selinux(security, context.get("seLinuxOptions"))
    _seccomp(security, context.get("seccompProfile") or {"type": "RuntimeDefault"})


def _groups(security: Any, context: Object) -> None:
    groups = [*(context.get("supplementalGroups") or ())]
    if context.get("fsGroup") is not None:
        groups.append(context["fsGroup"])
    security.supplemental_groups.extend(int(each) for each in groups)


def _selinux(security: Any, options: Object | None) -> None:
    for key, value in (options or {}).items():
        setattr(security.selinux_options, key, value)


def _seccomp(security: Any, profile: Object | None) -> None:
    types = messages("runtime.v1").SecurityProfile.ProfileType
    kind = (profile or {}).get("type") or "Unconfined"
    security.seccomp.profile_type = types.Value(kind)
    if kind == "Localhost":
        security.seccomp.localhost_ref = (profile or {}).get("localhostProfile") or ""


def container_config(pod: Object, given: ContainerInput) -> Any:
    """The configuration of one container. Raises ConfigError for a user that is not allowed."""
    m = messages("runtime.v1")
    spec = given.spec
    name = spec["name"]
    config = m.ContainerConfig(
        metadata=m.ContainerMetadata(name=name, attempt=given.attempt),
        image=m.ImageSpec(image=given.image, user_specified_image=spec.get("image", "")),
        command=given.command,
        args=given.args,
        working_dir=spec.get("workingDir") or "",
        envs=[m.KeyValue(key=key, value=value.encode(errors="surrogateescape")) for key, value in given.env.items()],
        mounts=[
            m.Mount(
                container_path=each.container_path,
                host_path=each.host_path,
                readonly=each.read_only,
                propagation=PROPAGATION[each.propagation],
            )
            for each in given.mounts
        ],
        labels={**pod_labels(pod), labels.CONTAINER_NAME: name},
        annotations={
            labels.HASH: given.hash,
            labels.RESTART_COUNT: str(given.attempt),
            labels.TERMINATION_MESSAGE_PATH: spec.get("terminationMessagePath") or "/dev/termination-log",
            labels.GRACE_PERIOD: str(pods.grace_seconds(pod)),
            labels.CONTAINER_KIND: given.kind,
        },
        log_path=f"{name}/{given.attempt}.log",
        stdin=bool(spec.get("stdin")),
        stdin_once=bool(spec.get("stdinOnce")),
        tty=bool(spec.get("tty")),
    )
    _resources(config.linux.resources, pod, spec, given.memory_capacity)
    _container_security(config.linux.security_context, pod, given)
    return config


def _resources(resources: Any, pod: Object, container: Object, memory_capacity: int) -> None:
    held = container.get("resources") or {}
    limits = {key: parse(value) for key, value in (held.get("limits") or {}).items()}
    requests = {**limits, **{key: parse(value) for key, value in (held.get("requests") or {}).items()}}
    resources.cpu_shares = cpu_shares(requests.get("cpu"))
    resources.cpu_period = CPU_PERIOD
    if (limit := limits.get("cpu")) is not None and limit.nano:
        resources.cpu_quota = max(MIN_QUOTA, limit.nano * CPU_PERIOD // 10**9)
    if (memory := limits.get("memory")) is not None:
        resources.memory_limit_in_bytes = memory.nano // 10**9
    resources.oom_score_adj = oom_score(pod, requests.get("memory"), memory_capacity)


def cpu_shares(request: Quantity | None) -> int:
    """A CPU request as a weight: 1024 for one CPU, 2 at least."""
    return MIN_SHARES if request is None else max(MIN_SHARES, request.nano * 1024 // 10**9)


def oom_score(pod: Object, request: Quantity | None, capacity: int) -> int:
    """How early the kernel kills it when memory is short: -997 for Guaranteed, 1000 for BestEffort, else by request."""
    quality = pods.status(pod).get("qosClass") or pods.qos_class(pod)
    if quality == "Guaranteed" or pods.priority(pod) >= 2_000_000_000:
        return -997
    if quality == "BestEffort" or not capacity:
        return 1000
    asked = 0 if request is None else request.nano // 10**9
    return min(999, max(3, 1000 - 1000 * asked // capacity))


def _container_security(security: Any, pod: Object, given: ContainerInput) -> None:
    of_pod = pods.spec(pod).get("securityContext") or {}
    own = given.spec.get("securityContext") or {}
    context = {**of_pod, **own}
    _namespaces(security.namespace_options, pod)
    _groups(security, of_pod)
    security.privileged = bool(own.get("privileged"))
    security.readonly_rootfs = bool(own.get("readOnlyRootFilesystem"))
    security.no_new_privs = own.get("allowPrivilegeEscalation") is False
    capabilities = own.get("capabilities") or {}
    security.capabilities.add_capabilities.extend(capabilities.get("add") or ())
    security.capabilities.drop_capabilities.extend(capabilities.get("drop") or ())
    if context.get("runAsUser") is not None:
        security.run_as_user.value = context["runAsUser"]
    elif given.image_user.isdigit():
        security.run_as_user.value = int(given.image_user)
    elif given.image_user:
        security.run_as_username = given.image_user
    if context.get("runAsGroup") is not None:
        security.run_as_group.value = context["runAsGroup"]
        if not security.HasField("run_as_user") and not security.run_as_username:
            security.run_as_user.value = 0  # CRI takes a group only together with a user
    _selinux(security, context.get("seLinuxOptions"))
    if not security.privileged:
        _seccomp(security, context.get("seccompProfile"))
    if context.get("runAsNonRoot"):
        _refuse_root(pod, given, context.get("runAsUser"))


def _refuse_root(pod: Object, given: ContainerInput, user: int | None) -> None:
    who = f'(pod: "{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})", container: {given.spec["name"]})'
    if user == 0:
        raise ConfigError(f"container's runAsUser breaks non-root policy {who}")
    if user is None:
        if given.image_user in ("", "0"):
            raise ConfigError(f"container has runAsNonRoot and image will run as root {who}")
        if not re.fullmatch(r"\d+", given.image_user):
            said = f"container has runAsNonRoot and image has non-numeric user ({given.image_user})"
            raise ConfigError(f"{said}, cannot verify user is non-root {who}")
