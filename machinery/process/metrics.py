"""Metrics of one component: a thin layer over prometheus-client with a registry of its own, never the global one.

Dozens of clusters live in one process, so two components may own metrics of the same name. Asking twice for the same
name gives the same metric; asking for it with another type or other labels is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

M = TypeVar("M")

LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds; wide enough for an in-process call and for a slow list."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what ``render`` returns (the Prometheus text exposition format)."""


class Metrics:
    """See the module. ``process`` adds the memory, CPU and file descriptors of the process."""

    def __init__(self, *, process: bool = False) -> None:
        from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

        self.registry: CollectorRegistry = CollectorRegistry(auto_describe=True)
        self._known: dict[str, tuple[type[Any], tuple[str, ...], Any]] = {}
        if process:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
            GCCollector(registry=self.registry)

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        """A count that only grows; ``name`` ends in ``_total``."""
        from prometheus_client import Counter

        return self._get(Counter, name, help, labels)

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:
        """A value that goes up and down."""
        from prometheus_client import Gauge

        return self._get(Gauge, name, help, labels)

    def histogram(
        self, name: str, help: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = LATENCY_BUCKETS
    ) -> Histogram:
        """A distribution, by upper bounds of its buckets."""
        from prometheus_client import Histogram

        return self._get(Histogram, name, help, labels, buckets=tuple(buckets))

    def render(self) -> bytes:
        """All metrics in the text exposition format."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)

    def _get(self, kind: type[M], name: str, help: str, labels: Sequence[str], **options: Any) -> M:
        known = self._known.get(name)
        if known is None:
            make: Any = kind
            known = (kind, tuple(labels), make(name, help, tuple(labels), registry=self.registry, **options))
            self._known[name] = known
        if known[0] is not kind or known[1] != tuple(labels):
            raise ValueError(f"metric {name} exists as {known[0].__name__} with labels {known[1]}")
        metric: M = known[2]
        return metric
