"""Real kubectl binaries, run against a server of ours."""

from __future__ import annotations

import asyncio
import functools
import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson

Object = dict[str, object]


OLDEST = 27
"""The oldest minor version whose every command is tested. Older ones check manifests themselves, in their own words,
and ask for beta APIs that are gone."""

SERVED = 20
"""The oldest minor version that is tried at all: Debian 12's own."""

WHY_NOT = f"there is no kubectl of 1.{OLDEST} or newer on PATH"


@functools.cache
def every_version(oldest: int = OLDEST) -> tuple[str, ...]:
    """The kubectl on PATH, and the versioned ones (`kubectl.1.27`) beside it, oldest first; none that is too old."""
    found = shutil.which("kubectl")
    if found is None or minor(found) < oldest:
        return ()
    beside = pathlib.Path(os.path.realpath(found)).parent.glob("kubectl.1.*")
    versioned = sorted(
        (path for path in beside if re.fullmatch(r"kubectl\.1\.\d+", path.name)),
        key=lambda path: int(path.name.rpartition(".")[2]),
    )
    return (found, *map(str, versioned))


def minor(binary: str) -> int:
    """Its minor version; a distribution's suffix (`27+`) is not part of it."""
    said = subprocess.run([binary, "version", "--client", "-o", "json"], capture_output=True, check=False).stdout
    found = re.search(rb'"minor":\s*"(\d+)', said)
    return int(found[1]) if found else 0


def binaries() -> list[str]:
    """The kubectl on PATH, and the oldest and newest of versioned ones beside it."""
    found, *versioned = every_version(SERVED) or ("",)
    return list(dict.fromkeys([found, *versioned[:1], *versioned[-1:]])) if found else []


def newest(oldest: int = OLDEST) -> str:
    """The newest kubectl there is; "" when there is none, or none that is new enough."""
    return (every_version(oldest) or ("",))[-1]


@dataclass(frozen=True)
class Result:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


class Kubectl:
    """One binary with one kubeconfig and a cache of its own."""

    def __init__(self, binary: str, kubeconfig: pathlib.Path, directory: pathlib.Path) -> None:
        self._binary = binary
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "KUBECONFIG": str(kubeconfig),
            "KUBECACHEDIR": str(directory / "cache"),
        }

    async def run(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        """Run it to its end."""
        process = await asyncio.create_subprocess_exec(
            self._binary,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self._environment, **environment},
        )
        try:
            async with asyncio.timeout(60):
                out, err = await process.communicate(stdin.encode())
        except BaseException:
            process.kill()
            await process.wait()
            raise
        assert process.returncode is not None
        return Result(process.returncode, out.decode(), err.decode())

    @asynccontextmanager
    async def streaming(self, *arguments: str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        """A command that prints as things happen, killed at the end: a function that waits for its next line."""
        process = await asyncio.create_subprocess_exec(
            self._binary,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
        )
        assert process.stdout is not None
        output = process.stdout

        async def line() -> str:
            async with asyncio.timeout(30):
                return (await output.readline()).decode().rstrip()

        try:
            yield line
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> str:
        """Run a command that must succeed; what it printed."""
        result = await self.run(*arguments, stdin=stdin, **environment)
        assert result.code == 0, f"kubectl {' '.join(arguments)}\n{result.out}{result.err}"
        return result.out

    async def fails(self, *arguments: str, stdin: str = "", **environment: str) -> str:
        """Run a command that must fail; what it said on standard error."""
        result = await self.run(*arguments, stdin=stdin, **environment)
        assert result.code != 0, f"kubectl {' '.join(arguments)} succeeded:\n{result.out}"
        return result.err.strip()

    async def json(self, *arguments: str) -> Object:
        """The object that a command prints with `-o json`."""
        document: Object = orjson.loads(await self(*arguments, "-o", "json"))
        return document
