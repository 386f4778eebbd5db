"""Reaching a container from the node: the seam between probes and the network.

`HostNetwork` uses sockets. Containers of the fake runtime have addresses that nobody can reach; `FakeNetwork` answers
for them as their stages say. Failures are `ProbeFailed`, in the words of Go's network errors, as users know them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin, urlsplit

from actors import Clock
from nodeagent.errors import ProbeFailed

if TYPE_CHECKING:
    from nodeagent.runtime.fake.server import FakeRuntime

MAX_BODY = 10 * 1024
MAX_REDIRECTS = 10


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A status and the beginning of the body."""

    status: int
    body: str = ""


class Network(Protocol):
    """How probes and hooks reach containers. Everything raises ProbeFailed when nobody answers in `timeout` seconds."""

    async def http(self, url: str, *, headers: Mapping[str, str], timeout: float) -> HttpAnswer:
        """GET it; certificates are not verified. Redirects to the same host are followed."""

    async def tcp(self, host: str, port: int, *, timeout: float) -> None:
        """Return when a connection can be made."""

    async def grpc(self, host: str, port: int, service: str, *, timeout: float) -> str:
        """What grpc.health.v1 says of the service: SERVING, NOT_SERVING, …"""


class HostNetwork:
    """Sockets of the machine that the agent runs on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def http(self, url: str, *, headers: Mapping[str, str], timeout: float) -> HttpAnswer:
        try:
            async with self._clock.timeout(timeout):
                return await self._follow(url, headers)
        except TimeoutError:
            late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            raise ProbeFailed(f'Get "{url}": {late}') from None

    async def _follow(self, url: str, headers: Mapping[str, str]) -> HttpAnswer:
        host = urlsplit(url).hostname
        for _ in range(MAX_REDIRECTS):
            answer, location = await self._get(url, headers)
            if not location or urlsplit(urljoin(url, location)).hostname != host:
                return answer
            url = urljoin(url, location)
        raise ProbeFailed(f'Get "{url}": stopped after {MAX_REDIRECTS} redirects')

    async def _get(self, url: str, headers: Mapping[str, str]) -> tuple[HttpAnswer, str]:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        context = None
        if parts.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            reader, writer = await asyncio.open_connection(host, port, ssl=context)
        except OSError as error:
            raise ProbeFailed(f'Get "{url}": {_dial(host, port, error)}') from None
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            sent = {"Host": parts.netloc, "User-Agent": "kube-probe/1.37", "Accept": "*/*", "Connection": "close"}
            lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in {**sent, **headers}.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ", 2)[1])
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await reader.read(MAX_BODY)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError, ValueError) as error:
            raise ProbeFailed(f'Get "{url}": {_said(error)}') from None
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        location = fields.get("location", "") if 300 <= status < 400 else ""
        return HttpAnswer(status, body.decode(errors="replace")), location

    async def tcp(self, host: str, port: int, *, timeout: float) -> None:
        try:
            async with self._clock.timeout(timeout):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            raise ProbeFailed(f"dial tcp {host}:{port}: i/o timeout") from None
        except OSError as error:
            raise ProbeFailed(_dial(host, port, error)) from None
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def grpc(self, host: str, port: int, service: str, *, timeout: float) -> str:
        import grpc
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    late = f"timeout: health rpc did not complete within {timeout:g}s"
                    raise ProbeFailed(late) from None
                raise ProbeFailed(f"error: {error.details()}") from None
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def _dial(host: str, port: int, error: OSError) -> str:
    return f"dial tcp {host}:{port}: connect: {_said(error)}"


def _said(error: Exception) -> str:
    if isinstance(error, asyncio.IncompleteReadError):
        return "EOF"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError):
        return "connection reset by peer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"malformed HTTP response ({error})"


class FakeNetwork:
    """Answers for the containers of a fake runtime, as their stages' `probe` says."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self._runtime = runtime

    async def http(self, url: str, *, headers: Mapping[str, str], timeout: float) -> HttpAnswer:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        said = self._said(host)
        if said == "ok":
            return HttpAnswer(200, "ok")
        if said.isdigit():
            return HttpAnswer(int(said))
        raise ProbeFailed(f'Get "{url}": dial tcp {host}:{port}: connect: connection refused')

    async def tcp(self, host: str, port: int, *, timeout: float) -> None:
        if self._said(host) == "refuse":
            raise ProbeFailed(f"dial tcp {host}:{port}: connect: connection refused")

    async def grpc(self, host: str, port: int, service: str, *, timeout: float) -> str:
        said = self._said(host)
        if said == "refuse":
            raise ProbeFailed(f'timeout: failed to connect service "{host}:{port}" within {timeout:g}s')
        return "SERVING" if said == "ok" else "NOT_SERVING"

    def _said(self, host: str) -> str:
        # A container in its node's network has no address of its own in the fake runtime: nothing contradicts it.
        stage = self._runtime.answering(host)
        return "ok" if stage is None else stage.probe
