"""Which path answers what: as etcd's own HTTP server does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from actors import Clock
from etcdlite.http.checks import Checks
from etcdlite.http.protocol import Request, Response
from etcdlite.metrics.collect import collect
from etcdlite.metrics.exposition import CONTENT_TYPE
from etcdlite.parts import Parts

JSON = "application/json"


class MonitoringSite:
    """Metrics, health and version of one store. version: of the etcd whose API is served."""

    def __init__(self, parts: Parts, version: str, *, clock: Clock) -> None:
        self._parts = parts
        self._version = version
        self._checks = Checks(parts, clock=clock)

    async def __call__(self, request: Request) -> Response:
        """The answer to any request."""
        kind, _, name = request.path.strip("/").partition("/")
        checks = self._checks.kinds.get(kind)
        known = request.path in ("/metrics", "/health", "/version")
        if not known and (checks is None or (name and name not in checks)):
            return Response("404 page not found\n", 404)
        if request.method not in ("GET", "HEAD"):
            return Response("Method Not Allowed\n", 405, headers={"Allow": "GET"})
        if checks is not None:
            return await self._check(kind, [name] if name else list(checks), request.query)
        if request.path == "/metrics":
            return Response(collect(self._parts, self._version) + _process_metrics(), content_type=CONTENT_TYPE)
        if request.path == "/version":
            cluster = f"{self._version.rpartition('.')[0]}.0"
            told = {"etcdserver": self._version, "etcdcluster": cluster}
            return Response(json.dumps(told, separators=(",", ":")), content_type=JSON)
        return await self._health(request.query)

    async def _check(self, kind: str, names: Sequence[str], query: Mapping[str, Sequence[str]]) -> Response:
        excluded = query.get("exclude", ())
        chosen = [name for name in names if name not in excluded]
        good, lines = await self._checks.run(kind, chosen)
        told = "".join(f"{line}\n" for line in lines)
        if not good:
            return Response(f"{told}\n", 503)
        return Response(f"{told}ok\n" if "verbose" in query else "ok\n")

    async def _health(self, query: Mapping[str, Sequence[str]]) -> Response:
        serializable = "true" in query.get("serializable", ())
        reason = await self._checks.health(excluded=query.get("exclude", ()), serializable=serializable)
        told = json.dumps({"health": "false" if reason else "true", "reason": reason}, separators=(",", ":"))
        if reason:
            self._parts.counts.unhealthy += 1
            return Response(f"{told}\n", 503)
        self._parts.counts.healthy += 1
        return Response(told)


def _process_metrics() -> str:
    from machinery.process.metrics import Metrics

    return Metrics(process=True).render().decode()
