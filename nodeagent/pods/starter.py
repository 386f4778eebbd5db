"""Starting one container: image, environment, mounts, create, start, postStart hook. Texts are kubelet's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machinery.objects import meta
from machinery.rpc import RpcError
from nodeagent.errors import ConfigError, ImageError, rpc_text
from nodeagent.pods import env, hostfiles
from nodeagent.pods.backoff import Backoff
from nodeagent.pods.context import NodeContext
from nodeagent.pods.events import PodEvents
from nodeagent.pods.hooks import HookFailed
from nodeagent.pods.memory import Hold, Memory, Waiting
from nodeagent.pods.plan import Start, spec_hash
from nodeagent.probes.prober import Target
from nodeagent.runtime.config import ContainerInput, container_config
from nodeagent.runtime.model import Container, Image
from nodeagent.volumes import manager, mounts

Object = Mapping[str, Any]

RETRY = 10.0
"""Seconds until a container that could not be configured is tried again."""
SHOWN = 2.0
"""Seconds that ErrImagePull shows before it becomes ImagePullBackOff."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a container is put into."""

    pod: Object
    sandbox_id: str
    sandbox_config: Any
    ips: Sequence[str]
    volumes: Mapping[str, Path]


class Starter:
    """Starts the containers of one pod."""

    def __init__(self, node: NodeContext, memory: Memory) -> None:
        self._node = node
        self._memory = memory

    async def start(self, ground: Ground, start: Start, last: Container | None, events: PodEvents) -> None:
        """Start it. A failure is not raised but held in the memory, as what the container waits for."""
        name = start.name
        now = self._now()
        if last is not None and last.finished_at:
            since = last.finished_at / 1e9
            self._memory.restarts.setdefault(name, Backoff()).grow(since, now)
        try:
            image = await self._node.images.ensure(ground.pod, start.spec, ground.sandbox_config, self._memory, events)
            config = await self._config(ground, start, image)
        except ImageError as error:
            events.warning("Failed", f"Error: {error.reason}", container=start.spec)
            self._hold(name, error.reason, str(error), self._image_wait(error, start.spec))
            return
        except ConfigError as error:
            events.warning("Failed", f"Error: {error}", container=start.spec)
            self._hold(name, "CreateContainerConfigError", str(error), RETRY)
            return
        try:
            container_id = await self._node.cri.create_container(ground.sandbox_id, config, ground.sandbox_config)
        except RpcError as error:
            events.warning("Failed", f"Error: {error.message}", container=start.spec)
            self._hold(name, "CreateContainerError", error.message, RETRY)
            return
        events.normal("Created", "Container created", container=start.spec)
        self._memory.held.pop(name, None)
        try:
            await self._node.cri.start_container(container_id)
        except RpcError as error:
            # The runtime keeps it as ended (StartError): from here the restart policy decides.
            events.warning("Failed", f"Error: {error.message}", container=start.spec)
            return
        events.normal("Started", "Container started", container=start.spec)
        if hook := (start.spec.get("lifecycle") or {}).get("postStart"):
            await self._post_start(hook, ground, start, container_id, events)

    def _image_wait(self, error: ImageError, container: Object) -> float:
        if error.reason == "ErrImagePull":
            return SHOWN
        backoff = next((self._memory.pulls[key] for key in _image_keys(container) if key in self._memory.pulls), None)
        left = 0.0 if backoff is None else backoff.left(backoff.updated, self._now())
        return left or RETRY

    def _hold(self, name: str, reason: str, message: str, seconds: float) -> None:
        self._memory.held[name] = Hold(Waiting(reason, message), self._now() + seconds)

    async def _config(self, ground: Ground, start: Start, image: Image) -> Any:
        node, pod, spec = self._node, ground.pod, start.spec
        variables = env.make(spec, await self._sources(ground, spec))
        binds: list[mounts.Mount] = []
        if node.files:
            writable = manager.writable(pod)
            with node.clock.external("prepare mounts"):
                binds += await asyncio.to_thread(
                    mounts.of_container, spec, ground.volumes, variables, writable=writable
                )
            directory = node.volumes.directory(meta.uid(pod))
            binds += await hostfiles.prepare(
                node.clock, directory, pod, spec, ips=ground.ips, attempt=start.attempt, domain=node.dns.domain
            )
        command, args = env.command_line(spec, variables)
        given = ContainerInput(
            spec=spec,
            kind=start.kind,
            attempt=start.attempt,
            hash=spec_hash(spec),
            image=image.id,
            command=command,
            args=args,
            env=variables,
            mounts=binds,
            image_user=image.user,
            memory_capacity=node.memory_capacity,
        )
        return container_config(pod, given)

    async def _sources(self, ground: Ground, container: Object) -> env.Sources:
        node, namespace = self._node, meta.namespace(ground.pod)
        config_maps, secrets = env.references([container])
        return env.Sources(
            pod=ground.pod,
            pod_ips=ground.ips,
            host_ips=node.host_ips,
            allocatable=node.allocatable,
            config_maps={name: await node.references.config_map(namespace, name) for name in sorted(config_maps)},
            secrets={name: await node.references.secret(namespace, name) for name in sorted(secrets)},
            services=node.service_variables(ground.pod),
        )

    async def _post_start(
        self, hook: Object, ground: Ground, start: Start, container_id: str, events: PodEvents
    ) -> None:
        self._memory.hooking.add(container_id)
        target = Target(start.spec, container_id, ground.ips[0] if ground.ips else "", self._now())
        try:
            await self._node.hooks.run(hook, target)
        except HookFailed:
            # The text may hold secrets of the command's: it stays out of the event, as upstream.
            events.warning("FailedPostStartHook", "PostStartHook failed", container=start.spec)
            self._memory.unhealthy[container_id] = "FailedPostStartHook"
        finally:
            self._memory.hooking.discard(container_id)

    def _now(self) -> float:
        return self._node.clock.now().timestamp()


def _image_keys(container: Object) -> tuple[str, ...]:
    image = str(container.get("image") or "")
    return image, f"{image}:latest"


def sandbox_failure(error: RpcError) -> str:
    """The event's text when a sandbox could not be made."""
    return f"Failed to create pod sandbox: {rpc_text(error)}"
