"""What a container sees of the pod's volumes: its mounts, as the runtime wants them. Blocks on the file system."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeagent.errors import ConfigError
from nodeagent.pods import env


@dataclass(frozen=True, slots=True)
class Mount:
    """One bind mount. propagation: None, HostToContainer or Bidirectional, as in the API."""

    container_path: str
    host_path: str
    read_only: bool = False
    propagation: str = "None"


def of_container(
    container: Mapping[str, Any], volumes: Mapping[str, Path], variables: Mapping[str, str], *, writable: frozenset[str]
) -> list[Mount]:
    """The mounts of one container. Makes missing sub-paths. Raises ConfigError for a sub-path that leaves its volume.

    writable: names of volumes whose content belongs to the containers; of others, nothing is ever made."""
    result = []
    for mount in container.get("volumeMounts") or ():
        volume = volumes.get(mount["name"])
        if volume is None:
            raise ConfigError(f'cannot find volume "{mount["name"]}" to mount into container "{container["name"]}"')
        sub = env.expand(mount.get("subPathExpr") or mount.get("subPath") or "", variables)
        path = _below(volume, sub, make=mount["name"] in writable) if sub else volume
        result.append(
            Mount(
                container_path=_absolute(mount["mountPath"]),
                host_path=str(path),
                read_only=bool(mount.get("readOnly")),
                propagation=str(mount.get("mountPropagation") or "None"),
            )
        )
    return result


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def _below(volume: Path, sub: str, *, make: bool) -> Path:
    if os.path.isabs(sub) or ".." in Path(sub).parts:
        raise ConfigError(f'subPath "{sub}" must not be absolute or contain ".."')
    root = os.path.realpath(volume)
    # A container may have put a link there: what it points at must still be inside.
    path = os.path.realpath(os.path.join(root, sub))
    if path != root and not path.startswith(root + os.sep):
        raise ConfigError(f'failed to prepare subPath for volumeMount: "{sub}" is not inside the volume')
    if make and not os.path.exists(path):
        os.makedirs(path, mode=0o750)
    return Path(path)
