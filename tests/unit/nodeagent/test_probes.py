"""Probes: thresholds, what one probe is, and the loops on a virtual clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import pytest

from actors import SystemClock, VirtualClock
from machinery.rpc import Code, RpcError
from nodeagent.errors import ProbeFailed
from nodeagent.probes.network import HostNetwork, HttpAnswer
from nodeagent.probes.prober import Prober, Target, Verdict
from nodeagent.probes.threshold import Threshold
from nodeagent.runtime.model import ExecResult
from tests.unit.nodeagent.builders import container


def test_a_run_of_alike_results_makes_a_verdict() -> None:
    threshold = Threshold(successes=2, failures=3)
    results = [True, True, False, False, True, False, False, False, True, True]
    changed = [threshold.record(ok) for ok in results]
    assert changed == [False, True, False, False, False, False, False, True, False, True]
    assert threshold.verdict is True


class Answers:
    """A network and a runtime that answer as told. `calls` are what was asked."""

    def __init__(self, *, http: Any = 200, exec_code: int = 0, grpc: str = "SERVING") -> None:
        self.http_answer, self.exec_code, self.grpc_answer = http, exec_code, grpc
        self.calls: list[Any] = []

    async def http(self, url: str, *, headers: Mapping[str, str], timeout: float) -> HttpAnswer:
        self.calls.append((url, dict(headers), timeout))
        if isinstance(self.http_answer, str):
            raise ProbeFailed(self.http_answer)
        return HttpAnswer(self.http_answer)

    async def tcp(self, host: str, port: int, *, timeout: float) -> None:
        self.calls.append((host, port))
        if isinstance(self.http_answer, str):
            raise ProbeFailed(self.http_answer)

    async def grpc(self, host: str, port: int, service: str, *, timeout: float) -> str:
        self.calls.append((host, port, service))
        return self.grpc_answer

    async def exec_sync(self, container_id: str, command: list[str], *, timeout: int) -> ExecResult:
        self.calls.append((container_id, command))
        if self.exec_code < 0:
            raise RpcError(Code.DEADLINE_EXCEEDED, "late")
        return ExecResult(self.exec_code, b"out")


class Recorded:
    """Events that were recorded."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def warning(self, reason: str, message: str, **_: Any) -> None:
        self.said.append((reason, message))


SPEC = container(ports=[{"name": "http", "containerPort": 8080}])
TARGET = Target(SPEC, "id-1", "10.0.0.5", 0.0)


@pytest.mark.parametrize(
    ("probe", "answers", "asked", "failure"),
    [
        ({"httpGet": {"port": "http", "path": "/x"}}, Answers(), ("http://10.0.0.5:8080/x", {}, 1.0), None),
        ({"httpGet": {"port": 80, "scheme": "HTTPS"}}, Answers(http=302), ("https://10.0.0.5:80/", {}, 1.0), None),
        (
            {"httpGet": {"port": 80, "host": "h", "httpHeaders": [{"name": "A", "value": "b"}]}},
            Answers(http=503),
            ("http://h:80/", {"A": "b"}, 1.0),
            "HTTP probe failed with statuscode: 503",
        ),
        ({"tcpSocket": {"port": 1}}, Answers(http="refused"), ("10.0.0.5", 1), "refused"),
        ({"exec": {"command": ["ls"]}}, Answers(), ("id-1", ["ls"]), None),
        ({"exec": {"command": ["ls"]}}, Answers(exec_code=2), ("id-1", ["ls"]), "out"),
        (
            {"exec": {"command": ["ls", "-l"]}},
            Answers(exec_code=-1),
            ("id-1", ["ls", "-l"]),
            'command timed out: "ls -l" timed out after 1s',
        ),
        ({"grpc": {"port": 9}}, Answers(), ("10.0.0.5", 9, ""), None),
        (
            {"grpc": {"port": 9, "service": "s"}},
            Answers(grpc="NOT_SERVING"),
            ("10.0.0.5", 9, "s"),
            'service unhealthy (responded with "NOT_SERVING")',
        ),
    ],
)
async def test_one_probe(probe: dict[str, Any], answers: Any, asked: Any, failure: str | None) -> None:
    prober = Prober(answers, answers, VirtualClock())
    assert await prober.once(probe, TARGET) == failure
    assert answers.calls == [asked]


async def test_an_unknown_port_fails() -> None:
    answers: Any = Answers()
    prober = Prober(answers, answers, VirtualClock())
    assert await prober.once({"tcpSocket": {"port": "none"}}, TARGET) == "couldn't find port: 'none'"


class Watch:
    """A probe loop under way; `verdicts` are (seconds, kind, ok)."""

    def __init__(self, kind: str, answers: Any, probe: dict[str, Any], *, turn: bool = True) -> None:
        self.clock = VirtualClock()
        self.turn = turn
        self.verdicts: list[tuple[float, bool]] = []
        self.events: Any = Recorded()
        spec = {**SPEC, f"{kind}Probe": {"exec": {"command": ["x"]}, **probe}}
        target = Target(spec, "id-1", "", self.clock.now().timestamp())
        prober = Prober(answers, answers, self.clock)
        self.task = asyncio.create_task(
            prober.watch(kind, target, self.events, may_run=lambda: self.turn, report=self.report)
        )

    async def report(self, verdict: Verdict) -> None:
        self.verdicts.append((self.clock.monotonic(), verdict.ok))

    async def __aenter__(self) -> Watch:
        await self.clock.settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_a_startup_probe_ends_with_success() -> None:
    answers = Answers(exec_code=1)
    async with Watch("startup", answers, {"periodSeconds": 5, "failureThreshold": 10}) as watch:
        await watch.clock.advance(seconds=12)
        assert watch.verdicts == []
        assert watch.events.said[-1] == ("Unhealthy", "Startup probe failed: out")
        answers.exec_code = 0
        await watch.clock.advance(seconds=5)
        assert watch.verdicts == [(15.0, True)]
        assert watch.task.done()


async def test_liveness_fails_after_the_threshold_and_rests() -> None:
    answers = Answers(exec_code=1)
    probe = {"periodSeconds": 10, "failureThreshold": 3, "initialDelaySeconds": 7}
    async with Watch("liveness", answers, probe) as watch:
        await watch.clock.advance(seconds=26)
        assert watch.verdicts == []
        await watch.clock.advance(seconds=60)
        assert watch.verdicts == [(27.0, False)]
        assert len(answers.calls) == 3


async def test_readiness_goes_and_comes() -> None:
    answers = Answers()
    async with Watch("readiness", answers, {"periodSeconds": 10, "failureThreshold": 2}) as watch:
        assert watch.verdicts == [(0.0, True)]
        answers.exec_code = 1
        await watch.clock.advance(seconds=20)
        answers.exec_code = 0
        await watch.clock.advance(seconds=10)
        assert watch.verdicts == [(0.0, True), (20.0, False), (30.0, True)]


async def test_a_probe_waits_for_its_turn() -> None:
    answers = Answers()
    async with Watch("readiness", answers, {"periodSeconds": 10}, turn=False) as watch:
        await watch.clock.advance(seconds=30)
        assert answers.calls == []
        watch.turn = True
        await watch.clock.advance(seconds=10)
        assert watch.verdicts == [(40.0, True)]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An HTTP server with one page, one redirect and one error. Who only knocks says nothing."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        target = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
        status = {b"/": "200 OK", b"/moved": "302 Found\r\nLocation: /"}.get(target, "500 Broken")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi".encode())
    writer.close()
    await writer.wait_closed()


async def test_sockets() -> None:
    served = asyncio.Semaphore(0)

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        served.release()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    network = HostNetwork(SystemClock())
    base = f"http://127.0.0.1:{port}"
    try:
        assert await network.http(f"{base}/", headers={}, timeout=5) == HttpAnswer(200, "hi")
        assert (await network.http(f"{base}/moved", headers={}, timeout=5)).status == 200
        assert (await network.http(f"{base}/none", headers={}, timeout=5)).status == 500
        await network.tcp("127.0.0.1", port, timeout=5)
        for _ in range(5):  # the redirect made two
            await served.acquire()
    finally:
        server.close()
        await server.wait_closed()
    refused = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    with pytest.raises(ProbeFailed, match=refused):
        await network.tcp("127.0.0.1", port, timeout=5)
    with pytest.raises(ProbeFailed, match=f'Get "{base}/": {refused}'):
        await network.http(f"{base}/", headers={}, timeout=5)
