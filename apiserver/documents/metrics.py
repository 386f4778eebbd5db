"""Counts of what the server did, in Prometheus' text format, under the names that kube-apiserver uses.

One object per server; the edges call `observe` once per request. No library: a few numbers per series are kept, and the
text is made when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0,
           30.0, 45.0, 60.0)  # fmt: skip
"""Upper bounds in seconds, upstream's."""

Gauge = Callable[[], Mapping[tuple[tuple[str, str], ...], float]]


class Series(NamedTuple):
    """What requests are counted by."""

    verb: str
    group: str
    version: str
    resource: str
    subresource: str
    scope: str

    def labels(self) -> tuple[tuple[str, str], ...]:
        return tuple(zip(self._fields, self, strict=True))


class Metrics:
    """Request counts and durations, and gauges that others register."""

    def __init__(self) -> None:
        self._requests: dict[tuple[Series, int], int] = {}
        self._durations: dict[Series, list[int]] = {}
        self._sums: dict[Series, float] = {}
        self._gauges: dict[str, tuple[str, Gauge]] = {}

    def observe(self, series: Series, code: int, seconds: float, *, long_running: bool = False) -> None:
        """One request was answered. The duration of a watch says nothing and is left out."""
        key = (series, code)
        self._requests[key] = self._requests.get(key, 0) + 1
        if long_running:
            return
        counts = self._durations.get(series)
        if counts is None:
            counts = self._durations[series] = [0] * (len(BUCKETS) + 1)
        counts[bisect_left(BUCKETS, seconds)] += 1
        self._sums[series] = self._sums.get(series, 0.0) + seconds

    def gauge(self, name: str, help_text: str, read: Gauge) -> None:
        """Ask `read` for a metric's values whenever metrics are asked for. Raises ValueError for a name in use."""
        if name in self._gauges:
            raise ValueError(f"two gauges of the name {name}")
        self._gauges[name] = (help_text, read)

    def render(self) -> str:
        """The text exposition, series in a stable order."""
        lines = [*_head("apiserver_request_total", "counter", "Requests by verb, resource and HTTP code.")]
        for (series, code), count in sorted(self._requests.items()):
            labels = (("code", str(code)), *series.labels())
            lines.append(f"apiserver_request_total{_labels(labels)} {count}")
        name = "apiserver_request_duration_seconds"
        lines += _head(name, "histogram", "Seconds from request to answer, watches left out.")
        for series, counts in sorted(self._durations.items()):
            lines += _histogram(name, series, counts, self._sums[series])
        for name, (help_text, read) in sorted(self._gauges.items()):
            lines += _head(name, "gauge", help_text)
            lines += (f"{name}{_labels(labels)} {value:g}" for labels, value in sorted(read().items()))
        return "\n".join(lines) + "\n"


def _histogram(name: str, series: Series, counts: list[int], total: float) -> Iterable[str]:
    running = 0
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
        running += count
        yield f"{name}_bucket{_labels((*series.labels(), ('le', bound)))} {running}"
    yield f"{name}_sum{_labels(series.labels())} {total:.6f}"
    yield f"{name}_count{_labels(series.labels())} {running}"


def _head(name: str, kind: str, help_text: str) -> tuple[str, str]:
    return f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    inside = ",".join(f'{name}="{_escape(value)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
