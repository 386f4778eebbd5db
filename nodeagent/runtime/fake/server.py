"""The fake runtime: a CRI v1 server whose containers are timers.

Plain objects on a `Clock`: no task, no process, no file. A container's life is its stage (`stages.py`). What it printed
is kept in memory and written to its CRI log file from the moment somebody asks for that file with ReopenContainerLog:
thousands of containers whose logs nobody reads cost no file.

    runtime = FakeRuntime(clock, pod_cidr="10.244.0.0/24")
    channel = LocalChannel(runtime.services(), clock=clock)     # or a GrpcServer(runtime.services(), ["unix:/..."])
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from actors import Clock
from machinery.objects import timefmt
from machinery.rpc import Call, Code, RpcError
from nodeagent.errors import StageError
from nodeagent.runtime import labels
from nodeagent.runtime.fake.images import FakeImages, normalized
from nodeagent.runtime.fake.records import (
    Addresses,
    FakeContainer,
    FakeSandbox,
    container_item,
    container_status,
    sandbox_item,
    sandbox_status,
)
from nodeagent.runtime.fake.stages import FOREVER, Behaviour, Facts, Match, Script, Stage
from nodeagent.runtime.model import State
from protos.pool import messages

KILLED = 137  # 128 + SIGKILL
TERMINATED = 143  # 128 + SIGTERM


class FakeRuntime:
    """Implements `runtime.v1.RuntimeService`; `services()` gives it together with the image service.

    pod_cidr: where sandboxes get their addresses. stages: come before the default ones. behaviours: come before stages.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        pod_cidr: str = "10.244.0.0/24",
        stages: Iterable[tuple[Match, Stage]] = (),
        behaviours: Iterable[Behaviour] = (),
        mountpoint: str = "/var/lib/pilothouse",
    ) -> None:
        self._clock = clock
        self._addresses = Addresses(pod_cidr)
        self.script = Script(stages, behaviours)
        self.images = FakeImages(self.script, clock.sleep, mountpoint=mountpoint)
        self.sandboxes: dict[str, FakeSandbox] = {}
        self.containers: dict[str, FakeContainer] = {}
        self._by_ip: dict[str, FakeSandbox] = {}
        self._listeners: set[_Listener] = set()
        self.m = messages("runtime.v1")
        kinds = self.m.ContainerEventType
        self._created, self._started, self._stopped, self._deleted = (
            kinds[f"CONTAINER_{kind}_EVENT"].number for kind in ("CREATED", "STARTED", "STOPPED", "DELETED")
        )

    def services(self) -> Mapping[str, object]:
        """Full service names to implementations."""
        return {"runtime.v1.RuntimeService": self, "runtime.v1.ImageService": self.images}

    async def Version(self, request: Any, call: Call) -> Any:
        return self.m.VersionResponse(
            version="0.1.0", runtime_name="fake", runtime_version="1.0.0", runtime_api_version="v1"
        )

    async def Status(self, request: Any, call: Call) -> Any:
        conditions = [self.m.RuntimeCondition(type=kind, status=True) for kind in ("RuntimeReady", "NetworkReady")]
        return self.m.StatusResponse(status=self.m.RuntimeStatus(conditions=conditions))

    async def UpdateRuntimeConfig(self, request: Any, call: Call) -> Any:
        if cidr := request.runtime_config.network_config.pod_cidr:
            self._addresses.change(cidr)
        return self.m.UpdateRuntimeConfigResponse()

    # sandboxes

    async def RunPodSandbox(self, request: Any, call: Call) -> Any:
        config = request.config
        ip = ""
        if config.linux.security_context.namespace_options.network != self.m.NamespaceMode["NODE"].number:
            ip = self._addresses.take()
            if not ip:
                raise RpcError(Code.UNKNOWN, "failed to setup network for sandbox: no IP addresses available in range")
        sandbox = FakeSandbox(_new_id(), config, created_at=self._now(), ip=ip)
        self.sandboxes[sandbox.id] = sandbox
        if ip:
            self._by_ip[ip] = sandbox
        return self.m.RunPodSandboxResponse(pod_sandbox_id=sandbox.id)

    async def StopPodSandbox(self, request: Any, call: Call) -> Any:
        sandbox = self.sandboxes.get(request.pod_sandbox_id)
        if sandbox is not None and sandbox.ready:
            for container in sandbox.containers:
                self._exit(container, KILLED, "Error")
            sandbox.ready = False
            self._addresses.give_back(sandbox.ip)
            self._by_ip.pop(sandbox.ip, None)
        return self.m.StopPodSandboxResponse()

    async def RemovePodSandbox(self, request: Any, call: Call) -> Any:
        sandbox = self.sandboxes.get(request.pod_sandbox_id)
        if sandbox is not None:
            if sandbox.ready:
                await self.StopPodSandbox(self.m.StopPodSandboxRequest(pod_sandbox_id=sandbox.id), call)
            for container in list(sandbox.containers):
                self._forget(container)
            del self.sandboxes[sandbox.id]
        return self.m.RemovePodSandboxResponse()

    async def PodSandboxStatus(self, request: Any, call: Call) -> Any:
        sandbox = self._sandbox(request.pod_sandbox_id)
        return self.m.PodSandboxStatusResponse(
            status=sandbox_status(sandbox),
            containers_statuses=[container_status(each) for each in sandbox.containers],
            timestamp=self._now(),
        )

    async def ListPodSandbox(self, request: Any, call: Call) -> Any:
        want = request.filter
        found = [
            sandbox_item(each)
            for each in self.sandboxes.values()
            if (not want.id or each.id.startswith(want.id))
            and (not want.HasField("state") or (want.state.state == 0) == each.ready)
            and want.label_selector.items() <= each.labels.items()
        ]
        return self.m.ListPodSandboxResponse(items=found)

    # containers

    async def CreateContainer(self, request: Any, call: Call) -> Any:
        sandbox = self._sandbox(request.pod_sandbox_id)
        config = request.config
        if not sandbox.ready:
            raise RpcError(Code.UNKNOWN, f"sandbox container {sandbox.id!r} is not running")
        image_ref = self.images.reference(config.image.image)
        if not image_ref:
            raise RpcError(
                Code.UNKNOWN,
                f'failed to resolve image "{normalized(config.image.image)}": not found',
            )
        facts = Facts(
            namespace=sandbox.namespace,
            pod=sandbox.name,
            container=config.metadata.name,
            image=config.image.user_specified_image or config.image.image,
            kind=config.annotations.get(labels.CONTAINER_KIND, "app"),
            restart_policy=sandbox.annotations.get(labels.RESTART_POLICY, "Always"),
            attempt=config.metadata.attempt,
            labels=sandbox.labels,
            annotations=sandbox.annotations,
            command=tuple(config.command),
            args=tuple(config.args),
        )
        try:
            stage = self.script.stage(facts)
        except StageError as error:
            raise RpcError(Code.INVALID_ARGUMENT, str(error)) from None
        container = FakeContainer(_new_id(), sandbox, config, created_at=self._now(), stage=stage, image_ref=image_ref)
        sandbox.containers.append(container)
        self.containers[container.id] = container
        self._tell(container, self._created)
        return self.m.CreateContainerResponse(container_id=container.id)

    async def StartContainer(self, request: Any, call: Call) -> Any:
        container = self._container(request.container_id)
        stage = container.stage
        if container.state is not State.CREATED:
            raise RpcError(Code.UNKNOWN, f"container {container.id!r} is in {container.state.name} state")
        if stage.start_delay:
            await self._clock.sleep(stage.start_delay)
        if stage.start_error:
            container.started_at = self._now()
            self._exit(container, 128, "StartError", message=stage.start_error)
            raise RpcError(Code.UNKNOWN, f"failed to create containerd task: {stage.start_error}")
        container.state = State.RUNNING
        container.started_at = self._now()
        for line in stage.logs.splitlines():
            self.print(container.id, line)
        self._tell(container, self._started)
        if stage.run_for != FOREVER:
            container.timer = self._clock.call_later(stage.run_for, lambda: self._play_out(container))
        return self.m.StartContainerResponse()

    async def StopContainer(self, request: Any, call: Call) -> Any:
        container = self.containers.get(request.container_id)
        if container is None or container.state is not State.RUNNING:
            return self.m.StopContainerResponse()
        delay = container.stage.stop_delay
        if delay:
            await self._clock.sleep(min(delay, float(request.timeout)))
        obeys = delay <= request.timeout and delay != FOREVER
        self._exit(container, 0 if obeys else KILLED, "Completed" if obeys else "Error")
        return self.m.StopContainerResponse()

    async def RemoveContainer(self, request: Any, call: Call) -> Any:
        container = self.containers.get(request.container_id)
        if container is not None:
            self._exit(container, KILLED, "Error")
            self._forget(container)
        return self.m.RemoveContainerResponse()

    async def ListContainers(self, request: Any, call: Call) -> Any:
        want = request.filter
        found = [
            container_item(each)
            for each in self.containers.values()
            if (not want.id or each.id.startswith(want.id))
            and (not want.HasField("state") or want.state.state == each.state)
            and (not want.pod_sandbox_id or each.sandbox.id == want.pod_sandbox_id)
            and want.label_selector.items() <= each.labels.items()
        ]
        return self.m.ListContainersResponse(containers=found)

    async def ContainerStatus(self, request: Any, call: Call) -> Any:
        return self.m.ContainerStatusResponse(status=container_status(self._container(request.container_id)))

    async def ExecSync(self, request: Any, call: Call) -> Any:
        container = self._container(request.container_id)
        if container.state is not State.RUNNING:
            raise RpcError(Code.UNKNOWN, f"container is in {container.state.name} state")
        stage = container.stage
        output = stage.exec_output.encode()
        return self.m.ExecSyncResponse(stdout=output, exit_code=stage.exec_exit_code)

    async def ReopenContainerLog(self, request: Any, call: Call) -> Any:
        container = self._container(request.container_id)
        path = container.full_log_path()
        if not path:
            raise RpcError(Code.FAILED_PRECONDITION, f"container {container.id!r} has no log path")
        _write_log(Path(path), container.lines)
        container.log_written = True
        return self.m.ReopenContainerLogResponse()

    async def GetContainerEvents(self, request: Any, call: Call) -> AsyncIterator[Any]:
        listener = _Listener()
        self._listeners.add(listener)
        try:
            while True:
                for container, kind in await listener.next():
                    sandbox = container.sandbox
                    yield self.m.ContainerEventResponse(
                        container_id=container.id,
                        container_event_type=kind,
                        created_at=self._now(),
                        pod_sandbox_status=sandbox_status(sandbox),
                        containers_statuses=[container_status(each) for each in sandbox.containers],
                    )
        finally:
            self._listeners.discard(listener)

    # what a test or a behaviour does to a container

    def print(self, container_id: str, line: str) -> None:
        """Let a container print a line now."""
        container = self._container(container_id)
        container.lines.append((self._now(), line))
        if container.log_written:
            try:
                with open(container.full_log_path(), "a", encoding="utf-8") as file:
                    file.write(_log_line(*container.lines[-1]))
            except FileNotFoundError:
                container.log_written = False  # whoever wanted the file took it away

    def exit(self, container_id: str, code: int, *, reason: str = "", message: str = "") -> None:
        """Let a running container end now, whatever its stage says."""
        self._exit(self._container(container_id), code, reason or ("Error" if code else "Completed"), message=message)

    def find(self, namespace: str, pod: str, container: str) -> str:
        """The id of the newest container of that name. Raises KeyError."""
        for each in reversed(self.containers.values()):
            if (each.sandbox.namespace, each.sandbox.name, each.name) == (namespace, pod, container):
                return each.id
        raise KeyError(f"no container {namespace}/{pod}/{container}")

    def answering(self, ip: str) -> Stage | None:
        """Who answers at an address: the stage of a running container there that is not healthy, else of any."""
        sandbox = self._by_ip.get(ip)
        running = [each.stage for each in sandbox.containers if each.state is State.RUNNING] if sandbox else []
        return next((stage for stage in running if stage.probe != "ok"), running[0] if running else None)

    def _play_out(self, container: FakeContainer) -> None:
        stage = container.stage
        self._exit(container, stage.exit_code, "Error" if stage.exit_code else "Completed", message=stage.message)

    def _exit(self, container: FakeContainer, code: int, reason: str, *, message: str = "") -> None:
        if container.timer is not None:
            container.timer.cancel()
            container.timer = None
        if container.state is State.EXITED:
            return
        container.state = State.EXITED
        container.exit_code = code
        container.reason = reason
        container.message = message
        container.finished_at = self._now()
        self._tell(container, self._stopped)

    def _forget(self, container: FakeContainer) -> None:
        del self.containers[container.id]
        container.sandbox.containers.remove(container)
        self._tell(container, self._deleted)

    def _tell(self, container: FakeContainer, kind: int) -> None:
        for listener in self._listeners:
            listener.add(container, kind)

    def _sandbox(self, id: str) -> FakeSandbox:
        found = self.sandboxes.get(id)
        if found is None:
            raise RpcError(Code.NOT_FOUND, f'an error occurred when try to find sandbox "{id}": not found')
        return found

    def _container(self, id: str) -> FakeContainer:
        found = self.containers.get(id)
        if found is None:
            raise RpcError(Code.NOT_FOUND, f'an error occurred when try to find container "{id}": not found')
        return found

    def _now(self) -> int:
        moment = self._clock.now()
        return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


class _Listener:
    """One stream of events. For a slow reader the newest event of each container replaces the one not yet sent."""

    def __init__(self) -> None:
        self._pending: dict[str, tuple[FakeContainer, int]] = {}
        self._wake = asyncio.Event()

    def add(self, container: FakeContainer, kind: int) -> None:
        self._pending.pop(container.id, None)
        self._pending[container.id] = (container, kind)
        self._wake.set()

    async def next(self) -> list[tuple[FakeContainer, int]]:
        await self._wake.wait()
        self._wake.clear()
        pending, self._pending = self._pending, {}
        return list(pending.values())


def _new_id() -> str:
    return uuid.uuid4().hex + uuid.uuid4().hex


def _write_log(path: Path, lines: Iterable[tuple[int, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(_log_line(at, line) for at, line in lines))


def _log_line(at: int, line: str) -> str:
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(at / 10**9, UTC)
    return f"{timefmt.format(moment)[:-1]}.{at % 10**9:09}Z stdout F {line}\n"
