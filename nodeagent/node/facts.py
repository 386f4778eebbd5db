"""What a machine has: capacity, addresses, versions. Reads /proc and the file system; fake nodes are made up."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KUBELET_VERSION = "v1.37.0"
FAKE_CAPACITY = {"cpu": "32", "memory": "256Gi", "ephemeral-storage": "1Ti"}

MEMORY_LOW = 100 << 20
"""Bytes available below which there is memory pressure (kubelet's hard eviction threshold)."""
DISK_LOW = 0.10
"""Share of the disk available below which there is disk pressure."""
PIDS_LOW = 0.05
"""Share of process ids left below which there is PID pressure."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A node's machine as its Node object shows it."""

    capacity: Mapping[str, str]
    info: Mapping[str, str]
    addresses: Sequence[str]
    hostname: str


@dataclass(frozen=True, slots=True)
class Pressure:
    """What is short."""

    memory: bool = False
    disk: bool = False
    pids: bool = False


def architecture() -> str:
    """The machine's architecture in Go's names."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def host_capacity(root: Path) -> dict[str, str]:
    """What this machine has."""
    memory = _meminfo().get("MemTotal", 0)
    disk = shutil.disk_usage(_existing(root)).total
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory >> 10}Ki",
        "ephemeral-storage": f"{disk >> 10}Ki",
        "hugepages-2Mi": "0",
    }


def host_info(runtime: str) -> dict[str, str]:
    """`status.nodeInfo` of this machine. runtime: `containerd://1.6.20`."""
    return {
        "architecture": architecture(),
        "bootID": _read("/proc/sys/kernel/random/boot_id"),
        "containerRuntimeVersion": runtime,
        "kernelVersion": platform.release(),
        "kubeProxyVersion": "",
        "kubeletVersion": KUBELET_VERSION,
        "machineID": _read("/etc/machine-id"),
        "operatingSystem": "linux",
        "osImage": _os_name(),
        "systemUUID": _read("/sys/class/dmi/id/product_uuid") or _read("/etc/machine-id"),
    }


def fake_info(name: str, runtime: str) -> dict[str, str]:
    """`status.nodeInfo` of a made-up machine, the same for the same name."""
    identity = uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.fake.pilothouse.dev")
    return {
        "architecture": architecture(),
        "bootID": str(identity),
        "containerRuntimeVersion": runtime,
        "kernelVersion": "6.1.0-fake",
        "kubeProxyVersion": "",
        "kubeletVersion": KUBELET_VERSION,
        "machineID": identity.hex,
        "operatingSystem": "linux",
        "osImage": "Pilothouse fake node",
        "systemUUID": str(identity),
    }


def host_address() -> str:
    """The address by which this machine reaches others; loopback when it reaches none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a datagram socket sends nothing when it connects
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def fake_address(index: int) -> str:
    """The made-up address of the fake node with this number: 172.18.0.2 and on."""
    number = index + 2
    return f"172.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def pressure(root: Path) -> Pressure:
    """What is short on this machine now."""
    available = _meminfo().get("MemAvailable", MEMORY_LOW)
    usage = shutil.disk_usage(_existing(root))
    limit = int(_read("/proc/sys/kernel/pid_max") or 0)
    running = sum(1 for entry in os.listdir("/proc") if entry.isdigit())
    return Pressure(
        memory=available < MEMORY_LOW,
        disk=usage.free < DISK_LOW * usage.total,
        pids=bool(limit) and limit - running < PIDS_LOW * limit,
    )


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _meminfo() -> dict[str, int]:
    found = {}
    for line in _read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        number, _, unit = rest.strip().partition(" ")
        found[name] = int(number) << (10 if unit == "kB" else 0)
    return found


def _os_name() -> str:
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.system()


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
