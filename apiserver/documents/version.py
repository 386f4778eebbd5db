"""Which Kubernetes this is: the document of /version."""

from __future__ import annotations

import platform

import orjson

KUBERNETES = "v1.37.0"
GIT_VERSION = f"{KUBERNETES}+pilothouse"
MAJOR, MINOR = "1", "37"

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def version_document() -> bytes:
    """version.Info. Clients insist on every field, so what we have no word for is there and empty."""
    machine = platform.machine()
    return orjson.dumps(
        {
            "major": MAJOR,
            "minor": MINOR,
            "emulationMajor": MAJOR,
            "emulationMinor": MINOR,
            "minCompatibilityMajor": MAJOR,
            "minCompatibilityMinor": str(int(MINOR) - 1),
            "gitVersion": GIT_VERSION,
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "",
            "compiler": f"cpython{platform.python_version()}",
            "platform": f"{platform.system().lower()}/{_MACHINES.get(machine, machine)}",
        }
    )
