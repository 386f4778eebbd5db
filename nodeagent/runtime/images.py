"""Having the image that a container needs: pull policies, back-off, and the events about it.

Texts are kubelet's (pkg/kubelet/images/image_manager.go).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from actors import Clock
from machinery.objects import meta, timefmt
from machinery.objects import pod as pods
from machinery.rpc import RpcError
from nodeagent.errors import ImageError, rpc_text
from nodeagent.pods.backoff import Backoff
from nodeagent.pods.events import PodEvents
from nodeagent.pods.memory import Memory
from nodeagent.pods.references import References
from nodeagent.runtime.cri import Cri
from nodeagent.runtime.model import Image

Object = Mapping[str, Any]

# Path components of a repository after an optional host (distribution/reference's grammar).
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"(?:[A-Za-z0-9.-]+(?::\d+)?/)?{_COMPONENT}(?:/{_COMPONENT})*")


class Images:
    """The images of one node."""

    def __init__(self, cri: Cri, references: References, clock: Clock) -> None:
        self._cri = cri
        self._references = references
        self._clock = clock

    async def ensure(
        self, pod: Object, container: Object, sandbox_config: Any, memory: Memory, events: PodEvents
    ) -> Image:
        """The container's image, pulled when its policy says so. Raises ImageError, RpcError."""
        wanted = str(container.get("image") or "")
        name = with_tag(wanted)
        policy = container.get("imagePullPolicy") or default_policy(name)
        present = await self._cri.image(name)
        if present is not None and policy != "Always":
            said = f'Container image "{wanted}" already present on machine and can be accessed by the pod'
            events.normal("Pulled", said, container=container)
            return present
        if policy == "Never":
            said = f'Container image "{wanted}" is not present with pull policy of Never'
            events.warning("ErrImageNeverPull", said, container=container)
            raise ImageError("ErrImageNeverPull", said)
        return await self._pull(pod, container, wanted, name, sandbox_config, memory, events)

    async def _pull(
        self,
        pod: Object,
        container: Object,
        wanted: str,
        name: str,
        sandbox_config: Any,
        memory: Memory,
        events: PodEvents,
    ) -> Image:
        backoff = memory.pulls.setdefault(name, Backoff())
        if backoff.left(backoff.updated, self._now()) > 0:
            said = f'Back-off pulling image "{wanted}"'
            events.normal("BackOff", said, container=container)
            last = memory.pull_errors.get(name, "")
            raise ImageError("ImagePullBackOff", f"{said}: ErrImagePull: {last}" if last else said)
        events.normal("Pulling", f'Pulling image "{wanted}"', container=container)
        began = self._clock.monotonic()
        try:
            await self._fetch(pod, name, sandbox_config)
            image = await self._cri.image(name)
        except RpcError as error:
            backoff.grow(self._now(), self._now())
            said = rpc_text(error)
            memory.pull_errors[name] = said
            events.warning("Failed", f'Failed to pull image "{wanted}": {said}', container=container)
            raise ImageError("ErrImagePull", said) from None
        if image is None:
            raise ImageError("ErrImagePull", f'image "{wanted}" is gone right after it was pulled')
        memory.pulls.pop(name, None)
        memory.pull_errors.pop(name, None)
        took = timefmt.format_duration(round(self._clock.monotonic() - began, 3))
        said = f'Successfully pulled image "{wanted}" in {took} ({took} including waiting).'
        said += f" Image size: {image.size} bytes."
        events.normal("Pulled", said, container=container)
        return image

    async def _fetch(self, pod: Object, name: str, sandbox_config: Any) -> None:
        """Pull with each of the pod's credentials for that registry in turn, or without any."""
        error: RpcError | None = None
        for auth in await self._credentials(pod, name) or [None]:
            try:
                await self._cri.pull(name, annotations=meta.annotations(pod), sandbox_config=sandbox_config, auth=auth)
                return
            except RpcError as failed:
                error = failed
        if error is not None:
            raise error

    async def _credentials(self, pod: Object, name: str) -> list[Mapping[str, str] | None]:
        found: list[Mapping[str, str] | None] = []
        for ref in pods.spec(pod).get("imagePullSecrets") or ():
            secret = await self._references.secret(meta.namespace(pod), ref["name"])
            found += credentials(secret, name) if secret else []
        return found

    def _now(self) -> float:
        return self._clock.now().timestamp()


def with_tag(image: str) -> str:
    """The image with a default tag. Raises ImageError (InvalidImageName) for what is no image's name."""
    last = image.rpartition("/")[2]
    repository = image.partition("@")[0]
    repository = repository[: repository.rindex(":")] if ":" in repository.rpartition("/")[2] else repository
    if not _REPOSITORY.fullmatch(repository):
        lowercase = _REPOSITORY.fullmatch(repository.lower()) is not None
        why = "repository name must be lowercase" if lowercase else "invalid reference format"
        said = f'couldn\'t parse image reference "{image}": {why}'
        raise ImageError("InvalidImageName", f'Failed to apply default image tag "{image}": {said}')
    return image if "@" in image or ":" in last else f"{image}:latest"


def default_policy(name: str) -> str:
    """Always for `:latest`, else IfNotPresent."""
    return "Always" if name.endswith(":latest") and "@" not in name else "IfNotPresent"


def credentials(secret: Object, image: str) -> list[Mapping[str, str] | None]:
    """What a pull secret (dockerconfigjson or dockercfg) has for the image's registry, as CRI AuthConfig fields."""
    data = secret.get("data") or {}
    if ".dockerconfigjson" in data:
        document = orjson.loads(base64.b64decode(data[".dockerconfigjson"]))
        entries: Mapping[str, Object] = document.get("auths") or {}
    elif ".dockercfg" in data:
        entries = orjson.loads(base64.b64decode(data[".dockercfg"]))
    else:
        return []
    return [_auth(registry, entry) for registry, entry in entries.items() if _covers(registry, image)]


def _auth(registry: str, entry: Object) -> Mapping[str, str]:
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if not user and entry.get("auth"):
        user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return {"username": user, "password": password, "server_address": registry}


def _covers(registry: str, image: str) -> bool:
    host = registry.removeprefix("https://").removeprefix("http://").rstrip("/")
    first, slash, _ = image.partition("/")
    home = first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
    if home == "docker.io":
        return host.split("/")[0] in ("docker.io", "index.docker.io", "registry-1.docker.io")
    return image.startswith(f"{host}/") or host.split("/")[0] == home


def names(images: Sequence[Image]) -> list[dict[str, Any]]:
    """The images as a node's status lists them, largest first, 50 at most."""
    largest = sorted(images, key=lambda each: -each.size)[:50]
    return [{"names": [*each.digests, *each.tags], "sizeBytes": each.size} for each in largest]
