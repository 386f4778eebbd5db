"""Files on the host that the agent, not a volume, puts into containers: /etc/hosts and the termination message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actors import Clock
from machinery.objects import pod as pods
from nodeagent.runtime.config import hostname
from nodeagent.runtime.model import Container
from nodeagent.volumes.mounts import Mount

Object = Mapping[str, Any]

MAX_MESSAGE = 4096
MAX_LOG_LINES = 80
MAX_LOG_BYTES = 2048


async def prepare(
    clock: Clock, directory: Path, pod: Object, container: Object, *, ips: Sequence[str], attempt: int, domain: str
) -> list[Mount]:
    """Make the files of one container; its mounts of them."""
    text = None
    mounted = {each["mountPath"] for each in container.get("volumeMounts") or ()}
    if not pods.host_network(pod) and "/etc/hosts" not in mounted:
        text = hosts(pod, ips, domain)
    with clock.external("write host files"):
        return await asyncio.to_thread(_write, directory, container, text, attempt)


def hosts(pod: Object, ips: Sequence[str], domain: str) -> str:
    """The content of /etc/hosts in a pod with its own network."""
    spec = pods.spec(pod)
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
    ]
    name = hostname(pod)
    full = ""
    if spec.get("subdomain"):
        namespace = (pod.get("metadata") or {}).get("namespace", "")
        full = f"{name}.{spec['subdomain']}.{namespace}.svc.{domain}\t"
    lines += [f"{ip}\t{full}{name}" for ip in ips]
    if spec.get("hostAliases"):
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join([each["ip"], *(each.get("hostnames") or ())]) for each in spec["hostAliases"]]
    return "\n".join(lines) + "\n"


def _write(directory: Path, container: Object, text: str | None, attempt: int) -> list[Mount]:
    mounts = []
    directory.mkdir(parents=True, exist_ok=True)
    if text is not None:
        path = directory / "etc-hosts"
        path.write_text(text)
        path.chmod(0o644)
        mounts.append(Mount("/etc/hosts", str(path)))
    message = directory / "containers" / str(container["name"]) / str(attempt)
    message.parent.mkdir(parents=True, exist_ok=True)
    message.touch()
    message.chmod(0o666)  # whatever user the container runs as must be able to write it
    mounts.append(Mount(container.get("terminationMessagePath") or "/dev/termination-log", str(message)))
    return mounts


async def termination_message(clock: Clock, container: Container, policy: str) -> str:
    """What an ended container left to say; its last log lines when it left nothing and the policy asks for them."""
    with clock.external("read termination message"):
        return await asyncio.to_thread(_read, container, policy)


def _read(container: Container, policy: str) -> str:
    said = b""
    if container.message_file:
        said = _tail(Path(container.message_file), MAX_MESSAGE)
    if not said and policy == "FallbackToLogsOnError" and container.exit_code and container.log_path:
        lines = _tail(Path(container.log_path), 64 * 1024).splitlines()[-MAX_LOG_LINES:]
        said = b"\n".join(line.split(b" ", 3)[-1] for line in lines)[-MAX_LOG_BYTES:]
    return said.decode(errors="replace")


def _tail(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - size))
            return file.read(size)
    except OSError:
        return b""
