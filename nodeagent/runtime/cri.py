"""The CRI v1 client: containerd over its unix socket and the fake runtime in process, called alike.

One method per RPC, taking and giving plain values (`runtime/model.py`), except for the two configurations, which
`runtime/config.py` builds as messages. Everything raises `RpcError`. A call ends after `timeout` seconds (upstream's
`runtimeRequestTimeout`), a pull when the runtime ends it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from machinery.rpc import Channel, Code, RpcError, Stub
from nodeagent.runtime import labels
from nodeagent.runtime.model import Container, ExecResult, Image, Observed, PodRef, Sandbox, State
from protos.pool import messages

_STATES = tuple(State)


@dataclass(frozen=True, slots=True)
class Version:
    """Which runtime answers: `containerd` and `1.6.20`."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A sandbox or a container found by listing; `name` and `attempt` are the container's own."""

    id: str
    pod: PodRef
    running: bool
    created_at: int
    name: str = ""
    attempt: int = 0
    sandbox_id: str = ""
    state: State = State.UNKNOWN


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """Something happened to a container of this pod."""

    pod_uid: str
    container_id: str
    stopped: bool
    deleted: bool


class Cri:
    """A runtime behind a channel."""

    def __init__(self, channel: Channel, *, timeout: float = 120.0) -> None:
        self._m = messages("runtime.v1")
        self._runtime = Stub(channel, "runtime.v1.RuntimeService")
        self._images = Stub(channel, "runtime.v1.ImageService")
        self._timeout = timeout

    async def version(self) -> Version:
        """Who answers."""
        reply = await self._runtime.Version(self._m.VersionRequest(version="v1"), timeout=self._timeout)
        return Version(reply.runtime_name, reply.runtime_version)

    async def problems(self) -> list[str]:
        """Why the runtime cannot run pods, in the words of the node's Ready condition; empty when it can."""
        reply = await self._runtime.Status(self._m.StatusRequest(), timeout=self._timeout)
        names = {
            "RuntimeReady": "container runtime is not ready",
            "NetworkReady": "container runtime network not ready",
        }
        return [
            f"{names.get(each.type, each.type)}: {each.type}=false reason:{each.reason} message:{each.message}"
            for each in reply.status.conditions
            if each.type in names and not each.status
        ]

    async def set_pod_cidr(self, cidr: str) -> None:
        """Tell the runtime the node's range of pod addresses."""
        config = self._m.RuntimeConfig(network_config=self._m.NetworkConfig(pod_cidr=cidr))
        await self._runtime.UpdateRuntimeConfig(
            self._m.UpdateRuntimeConfigRequest(runtime_config=config), timeout=self._timeout
        )

    async def run_sandbox(self, config: Any, *, handler: str = "") -> str:
        """Make a sandbox with its network; its id. Slow networks take their time, hence twice the limit."""
        reply = await self._runtime.RunPodSandbox(
            self._m.RunPodSandboxRequest(config=config, runtime_handler=handler), timeout=2 * self._timeout
        )
        return str(reply.pod_sandbox_id)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill what runs in it and take its network down. One that is gone is stopped."""
        request = self._m.StopPodSandboxRequest(pod_sandbox_id=sandbox_id)
        await _unless_gone(self._runtime.StopPodSandbox(request, timeout=self._timeout))

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Forget it and its containers. One that is gone is forgotten."""
        request = self._m.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id)
        await _unless_gone(self._runtime.RemovePodSandbox(request, timeout=self._timeout))

    async def create_container(self, sandbox_id: str, config: Any, sandbox_config: Any) -> str:
        """A container that does not run yet; its id."""
        request = self._m.CreateContainerRequest(
            pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox_config
        )
        return str((await self._runtime.CreateContainer(request, timeout=self._timeout)).container_id)

    async def start_container(self, container_id: str) -> None:
        """Run it."""
        await self._runtime.StartContainer(
            self._m.StartContainerRequest(container_id=container_id), timeout=self._timeout
        )

    async def stop_container(self, container_id: str, *, grace: int) -> None:
        """TERM, and KILL after `grace` seconds; returns when it has ended."""
        request = self._m.StopContainerRequest(container_id=container_id, timeout=grace)
        await _unless_gone(self._runtime.StopContainer(request, timeout=self._timeout + grace))

    async def remove_container(self, container_id: str) -> None:
        """Forget it."""
        request = self._m.RemoveContainerRequest(container_id=container_id)
        await _unless_gone(self._runtime.RemoveContainer(request, timeout=self._timeout))

    async def reopen_log(self, container_id: str) -> None:
        """Have the runtime open the log file under its path (again)."""
        await self._runtime.ReopenContainerLog(
            self._m.ReopenContainerLogRequest(container_id=container_id), timeout=self._timeout
        )

    async def exec_sync(self, container_id: str, command: Iterable[str], *, timeout: int) -> ExecResult:
        """Run a command to its end; DEADLINE_EXCEEDED past `timeout` seconds (0: none)."""
        request = self._m.ExecSyncRequest(container_id=container_id, cmd=list(command), timeout=timeout)
        reply = await self._runtime.ExecSync(request, timeout=self._timeout + timeout)
        return ExecResult(reply.exit_code, reply.stdout, reply.stderr)

    async def observe(self, sandbox_ids: Iterable[str]) -> Observed:
        """All that is known of the pod with these sandboxes. A sandbox that is gone is left out."""
        sandboxes: list[Sandbox] = []
        containers: list[Container] = []
        for sandbox_id in sandbox_ids:
            found = await self._observe_one(sandbox_id)
            if found is not None:
                sandboxes.append(found[0])
                containers += found[1]
        sandboxes.sort(key=lambda each: (each.created_at, each.attempt), reverse=True)
        containers.sort(key=lambda each: (each.created_at, each.attempt), reverse=True)
        return Observed(tuple(sandboxes), tuple(containers))

    async def _observe_one(self, sandbox_id: str) -> tuple[Sandbox, list[Container]] | None:
        try:
            reply = await self._runtime.PodSandboxStatus(
                self._m.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id), timeout=self._timeout
            )
        except RpcError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise
        sandbox = _sandbox(reply.status)
        if reply.timestamp:  # the runtime reports events, and then its answer is complete (cri-api, KEP 3386)
            return sandbox, [_container(each, sandbox_id) for each in reply.containers_statuses]
        listed = await self._runtime.ListContainers(
            self._m.ListContainersRequest(filter=self._m.ContainerFilter(pod_sandbox_id=sandbox_id)),
            timeout=self._timeout,
        )
        containers = []
        for each in listed.containers:
            status = await self.container(each.id, sandbox_id=sandbox_id)
            if status is not None:
                containers.append(status)
        return sandbox, containers

    async def container(self, container_id: str, *, sandbox_id: str = "") -> Container | None:
        """One container; None when it is gone."""
        try:
            reply = await self._runtime.ContainerStatus(
                self._m.ContainerStatusRequest(container_id=container_id), timeout=self._timeout
            )
        except RpcError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise
        return _container(reply.status, sandbox_id)

    async def sandboxes(self) -> list[Listed]:
        """Every sandbox of ours, newest first."""
        reply = await self._runtime.ListPodSandbox(self._m.ListPodSandboxRequest(), timeout=self._timeout)
        found = [
            Listed(
                id=each.id,
                pod=_pod_ref(each.labels),
                running=each.state == 0,
                created_at=each.created_at,
                attempt=each.metadata.attempt,
            )
            for each in reply.items
            if labels.POD_UID in each.labels
        ]
        return sorted(found, key=lambda each: (each.created_at, each.attempt), reverse=True)

    async def containers(self) -> list[Listed]:
        """Every container of ours, newest first."""
        reply = await self._runtime.ListContainers(self._m.ListContainersRequest(), timeout=self._timeout)
        found = [
            Listed(
                id=each.id,
                pod=_pod_ref(each.labels),
                running=each.state == State.RUNNING,
                created_at=each.created_at,
                name=each.metadata.name,
                attempt=each.metadata.attempt,
                sandbox_id=each.pod_sandbox_id,
                state=_STATES[each.state],
            )
            for each in reply.containers
            if labels.POD_UID in each.labels
        ]
        return sorted(found, key=lambda each: (each.created_at, each.attempt), reverse=True)

    async def events(self) -> AsyncIterator[ContainerEvent]:
        """What happens to containers from now on. Raises UNIMPLEMENTED where the runtime does not tell."""
        kinds = self._m.ContainerEventType
        stopped, deleted = kinds["CONTAINER_STOPPED_EVENT"].number, kinds["CONTAINER_DELETED_EVENT"].number
        async for event in self._runtime.GetContainerEvents(self._m.GetEventsRequest()):
            kind = event.container_event_type
            yield ContainerEvent(
                event.pod_sandbox_status.metadata.uid, event.container_id, kind == stopped, kind == deleted
            )

    async def image(self, name: str) -> Image | None:
        """An image on the node; None when it is not there."""
        request = self._m.ImageStatusRequest(image=self._m.ImageSpec(image=name))
        reply = await self._images.ImageStatus(request, timeout=self._timeout)
        return _image(reply.image) if reply.HasField("image") else None

    async def pull(
        self, name: str, *, annotations: Mapping[str, str], sandbox_config: Any, auth: Mapping[str, str] | None = None
    ) -> str:
        """Fetch an image; its reference."""
        request = self._m.PullImageRequest(
            image=self._m.ImageSpec(image=name, annotations=annotations),
            auth=None if auth is None else self._m.AuthConfig(**auth),
            sandbox_config=sandbox_config,
        )
        return str((await self._images.PullImage(request, timeout=None)).image_ref)

    async def images(self) -> list[Image]:
        """All images on the node."""
        reply = await self._images.ListImages(self._m.ListImagesRequest(), timeout=self._timeout)
        return [_image(each) for each in reply.images]

    async def remove_image(self, name: str) -> None:
        """Delete an image."""
        request = self._m.RemoveImageRequest(image=self._m.ImageSpec(image=name))
        await self._images.RemoveImage(request, timeout=self._timeout)


async def _unless_gone(call: Awaitable[Any]) -> None:
    """CRI calls stopping and removing idempotent, yet containerd answers NOT_FOUND for what it does not know."""
    try:
        await call
    except RpcError as error:
        if error.code is not Code.NOT_FOUND:
            raise


def _pod_ref(found: Mapping[str, str]) -> PodRef:
    return PodRef(found[labels.POD_UID], found.get(labels.POD_NAMESPACE, ""), found.get(labels.POD_NAME, ""))


def _sandbox(status: Any) -> Sandbox:
    ips = (status.network.ip, *(each.ip for each in status.network.additional_ips)) if status.network.ip else ()
    return Sandbox(status.id, status.metadata.attempt, status.state == 0, status.created_at, ips)


def _container(status: Any, sandbox_id: str) -> Container:
    return Container(
        id=status.id,
        name=status.metadata.name,
        sandbox_id=sandbox_id,
        attempt=status.metadata.attempt,
        state=_STATES[status.state],
        created_at=status.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        reason=status.reason,
        message=status.message,
        image=status.image.image,
        image_id=status.image_ref,
        log_path=status.log_path,
        hash=status.annotations.get(labels.HASH, ""),
        message_file=_message_file(status),
    )


def _message_file(status: Any) -> str:
    path = status.annotations.get(labels.TERMINATION_MESSAGE_PATH, "")
    return next((mount.host_path for mount in status.mounts if path and mount.container_path == path), "")


def _image(image: Any) -> Image:
    return Image(
        id=image.id,
        tags=tuple(image.repo_tags),
        digests=tuple(image.repo_digests),
        size=image.size,
        user=str(image.uid.value) if image.HasField("uid") else image.username,
        pinned=image.pinned,
    )
