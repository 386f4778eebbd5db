"""The fake image service: every image exists somewhere, and is here once it was pulled."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

from machinery.rpc import Call, Code, RpcError
from nodeagent.runtime import labels
from nodeagent.runtime.fake.stages import Facts, Script
from protos.pool import messages


class FakeImages:
    """Implements `runtime.v1.ImageService`. `sleep` is the clock's."""

    def __init__(self, script: Script, sleep: Any, *, mountpoint: str) -> None:
        self._script = script
        self._sleep = sleep
        self._mountpoint = mountpoint
        self._present: dict[str, str] = {}  # normalized name -> id
        self._references: dict[str, str] = {}  # id -> REPOSITORY@DIGEST
        self.m = messages("runtime.v1")

    def reference(self, name: str) -> str:
        """What an image that is present resolved to (`REPOSITORY@DIGEST`), by name or id; "" when it is absent."""
        id = name if name in self._references else self._present.get(normalized(name), "")
        return self._references.get(id, "")

    async def ListImages(self, request: Any, call: Call) -> Any:
        only = request.filter.image.image
        names = [name for name in self._present if not only or name == normalized(only)]
        return self.m.ListImagesResponse(images=[self._image(name) for name in names])

    async def ImageStatus(self, request: Any, call: Call) -> Any:
        name = normalized(request.image.image)
        if name not in self._present:
            return self.m.ImageStatusResponse()
        return self.m.ImageStatusResponse(image=self._image(name))

    async def PullImage(self, request: Any, call: Call) -> Any:
        name = normalized(request.image.image)
        sandbox = request.sandbox_config
        stage = self._script.stage(
            Facts(
                namespace=sandbox.metadata.namespace,
                pod=sandbox.metadata.name,
                container="",
                image=request.image.image,
                restart_policy=sandbox.annotations.get(labels.RESTART_POLICY, "Always"),
                labels=sandbox.labels,
                annotations=sandbox.annotations,
            )
        )
        if stage.pull_delay:
            await self._sleep(stage.pull_delay)
        if stage.pull_error:
            raise RpcError(Code.NOT_FOUND, f'failed to pull and unpack image "{name}": {stage.pull_error}')
        id = sys.intern(digest(name))
        self._present[name] = id
        self._references[id] = f"{repository(name)}@{id}"
        return self.m.PullImageResponse(image_ref=id)

    async def RemoveImage(self, request: Any, call: Call) -> Any:
        name = request.image.image
        id = name if name in self._references else self._present.get(normalized(name))
        self._references.pop(id or "", None)
        self._present = {each: held for each, held in self._present.items() if held != id}
        return self.m.RemoveImageResponse()

    async def ImageFsInfo(self, request: Any, call: Call) -> Any:
        used = sum(size(name) for name in self._present)
        usage = self.m.FilesystemUsage(
            fs_id=self.m.FilesystemIdentifier(mountpoint=self._mountpoint),
            used_bytes=self.m.UInt64Value(value=used),
            inodes_used=self.m.UInt64Value(value=len(self._present)),
        )
        return self.m.ImageFsInfoResponse(image_filesystems=[usage])

    def _image(self, name: str) -> Any:
        id = self._present[name]
        tags = [] if "@" in name else [name]
        return self.m.Image(id=id, repo_tags=tags, repo_digests=[self._references[id]], size=size(name))


def repository(name: str) -> str:
    """A normalized name without its tag or digest."""
    return name.partition("@")[0] if "@" in name else name[: name.rindex(":")]


def normalized(name: str) -> str:
    """The full name that registries and runtimes use: `nginx` -> `docker.io/library/nginx:latest`."""
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    if "@" not in name and ":" not in name.rpartition("/")[2]:
        name += ":latest"
    return name


def digest(name: str) -> str:
    """A digest that is the same for the same name on every node."""
    if "@" in name:
        return name.partition("@")[2]
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()


def size(name: str) -> int:
    """A plausible size in bytes, 1 to 200 MiB, the same for the same name."""
    return (1 << 20) + int(digest(name).rpartition(":")[2][:7] or "0", 16) % (200 << 20)
