"""Sets up a pod's volumes and takes them down.

With files (a real runtime), everything is written below `ROOT/pods/UID/volumes`. Without (the fake runtime, whose
containers read nothing), it is only checked that all that is referred to exists: a pod waits for the same things.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors import Clock
from machinery.client.api import Client
from machinery.client.resources import PERSISTENT_VOLUME_CLAIMS, SERVICE_ACCOUNTS
from machinery.errors import ApiError, NotFound
from machinery.objects import meta, timefmt
from machinery.objects import pod as pods
from nodeagent.errors import MountError
from nodeagent.pods import env
from nodeagent.pods.references import References
from nodeagent.volumes import atomic, payload
from nodeagent.volumes.payload import TokenRequest

Object = Mapping[str, Any]

_FILES = ("configMap", "secret", "downwardAPI", "projected")


@dataclass(frozen=True, slots=True)
class Token:
    """A token and when to ask for the next, on the monotonic clock."""

    text: str
    renew_at: float


class Volumes:
    """All volumes of one node's pods."""

    def __init__(self, *, client: Client, references: References, clock: Clock, root: Path, files: bool) -> None:
        self._client = client
        self._references = references
        self._clock = clock
        self._root = root
        self._files = files
        self._tokens: dict[tuple[str, TokenRequest], Token] = {}

    def directory(self, uid: str) -> Path:
        """All that the agent keeps for one pod."""
        return self._root / "pods" / uid

    async def set_up(self, pod: Object, found: env.Sources) -> Mapping[str, Path]:
        """Volume name to its path on the host ({} without files). Also brings what changed up to date.

        `found` has the pod's addresses; what the volumes refer to is fetched here. Raises MountError, ApiError."""
        volumes = pods.spec(pod).get("volumes") or ()
        if not volumes:
            return {}
        found, tokens = await self._fetch(pod, found)
        paths: dict[str, Path] = {}
        for volume in volumes:
            try:
                path = await self._set_up_one(pod, volume, found, tokens)
            except MountError as error:
                raise MountError(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}') from None
            if path is not None:
                paths[volume["name"]] = path
        return paths

    async def tear_down(self, uid: str, *, logs: Path | None = None) -> None:
        """Remove all that is kept for a pod, and its directory of logs."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]
        doomed = [self.directory(uid), _memory(uid)] if self._files else []
        if logs is not None and (self._files or os.path.isdir(logs)):  # noqa: ASYNC240  # one stat, where a thread costs more
            doomed.append(logs)
        if doomed:
            with self._clock.external("remove volumes"):
                await asyncio.to_thread(_remove, *doomed)

    async def _fetch(self, pod: Object, found: env.Sources) -> tuple[env.Sources, Mapping[TokenRequest, str]]:
        wanted = payload.needs(pod)
        namespace = meta.namespace(pod)
        config_maps = {name: await self._references.config_map(namespace, name) for name in sorted(wanted.config_maps)}
        secrets = {name: await self._references.secret(namespace, name) for name in sorted(wanted.secrets)}
        for name in sorted(wanted.claims):
            await self._check_claim(namespace, name)
        tokens = {request: await self._token(pod, request) for request in wanted.tokens} if self._files else {}
        complete = env.Sources(
            pod=found.pod,
            pod_ips=found.pod_ips,
            host_ips=found.host_ips,
            allocatable=found.allocatable,
            config_maps=config_maps,
            secrets=secrets,
        )
        return complete, tokens

    async def _check_claim(self, namespace: str, name: str) -> None:
        if self._files:
            return  # `_set_up_one` refuses them
        try:
            claim = await self._client.get(PERSISTENT_VOLUME_CLAIMS, name, namespace=namespace)
        except NotFound:
            raise MountError(f'persistentvolumeclaim "{name}" not found') from None
        if (claim.get("status") or {}).get("phase") != "Bound":
            raise MountError(f'persistentvolumeclaim "{name}" is not bound')

    async def _set_up_one(
        self, pod: Object, volume: Object, found: env.Sources, tokens: Mapping[TokenRequest, str]
    ) -> Path | None:
        uid, name = meta.uid(pod), str(volume["name"])
        kind = next((key for key in volume if key != "name"), "emptyDir")
        if kind in _FILES:
            content = payload.files(volume, found, tokens)
            if not self._files:
                return None
            path = self.directory(uid) / "volumes" / f"kubernetes.io~{kind.lower()}" / name
            stamp = timefmt.format_micro(self._clock.now()).replace(":", "_")
            with self._clock.external("write volume"):
                await asyncio.to_thread(atomic.write, path, content, stamp=stamp, group=fs_group(pod))
            return path
        if not self._files and kind in ("emptyDir", "hostPath", "persistentVolumeClaim", "ephemeral", "image"):
            return None
        with self._clock.external("make volume"):
            if kind == "emptyDir":
                in_memory = (volume.get("emptyDir") or {}).get("medium") == "Memory"
                base = _memory(uid) if in_memory else self.directory(uid) / "volumes" / "kubernetes.io~empty-dir"
                return await asyncio.to_thread(_empty_dir, base / name, fs_group(pod))
            if kind == "hostPath":
                return await asyncio.to_thread(_host_path, volume["hostPath"])
        raise MountError(f"volumes of type {kind} are not served by this node agent")

    async def _token(self, pod: Object, request: TokenRequest) -> str:
        key = (meta.uid(pod), request)
        held = self._tokens.get(key)
        if held is not None and held.renew_at > self._clock.monotonic():
            return held.text
        spec: dict[str, Any] = {
            "audiences": [request.audience] if request.audience else [],
            "expirationSeconds": request.seconds,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": meta.name(pod), "uid": meta.uid(pod)},
        }
        account = pods.spec(pod).get("serviceAccountName") or "default"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        try:
            answer = await self._client.create(
                SERVICE_ACCOUNTS, body, namespace=meta.namespace(pod), name=account, subresource="token"
            )
        except ApiError as error:
            raise MountError(f"failed to fetch token: {error.message}") from None
        text = str(answer["status"]["token"])
        self._tokens[key] = Token(text, self._clock.monotonic() + 0.8 * request.seconds)
        return text


def fs_group(pod: Object) -> int | None:
    """The group that owns the pod's volumes, if one is asked for."""
    value = (pods.spec(pod).get("securityContext") or {}).get("fsGroup")
    return None if value is None else int(value)


def writable(pod: Object) -> frozenset[str]:
    """Names of the volumes whose content is the containers' own."""
    return frozenset(
        volume["name"] for volume in pods.spec(pod).get("volumes") or () if not any(kind in volume for kind in _FILES)
    )


def _memory(uid: str) -> Path:
    """Where `medium: Memory` lives: the host's own memory file system."""
    return Path("/dev/shm/pilothouse") / uid


def _empty_dir(path: Path, group: int | None) -> Path:
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o777 if group is None else 0o2777)
        if group is not None:
            os.chown(path, -1, group)
    return path


def _host_path(source: Object) -> Path:
    path = Path(source["path"])
    kind = source.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif kind == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    if not kind:
        return path
    checks = {"Directory": stat.S_ISDIR, "File": stat.S_ISREG, "Socket": stat.S_ISSOCK, "CharDevice": stat.S_ISCHR}
    checks["BlockDevice"] = stat.S_ISBLK
    check = checks.get(kind.removesuffix("OrCreate"))
    words = {"Directory": "a directory", "File": "a file", "Socket": "a socket file"}
    if check is None or not path.exists() or not check(path.stat().st_mode):
        what = words.get(kind.removesuffix("OrCreate"), kind)
        raise MountError(f"hostPath type check failed: {path} is not {what}")
    return path


def _remove(*directories: Path) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)
