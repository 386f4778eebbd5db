"""Metrics belong to their component."""

from __future__ import annotations

import pytest

from machinery.process.metrics import Metrics


def test_two_components_own_metrics_of_one_name() -> None:
    first, second = Metrics(), Metrics()
    first.counter("requests_total", "Requests.", ["verb"]).labels("get").inc(3)
    second.counter("requests_total", "Requests.", ["verb"]).labels("get").inc()
    assert b'requests_total{verb="get"} 3.0' in first.render()
    assert b'requests_total{verb="get"} 1.0' in second.render()


def test_asking_again_gives_the_same_metric_and_a_clash_is_refused() -> None:
    metrics = Metrics()
    gauge = metrics.gauge("depth", "Depth.")
    assert metrics.gauge("depth", "Depth.") is gauge
    with pytest.raises(ValueError, match="depth exists as Gauge"):
        metrics.counter("depth", "Depth.")
    with pytest.raises(ValueError, match="depth exists"):
        metrics.gauge("depth", "Depth.", ["queue"])


def test_histograms_and_process_metrics() -> None:
    metrics = Metrics(process=True)
    metrics.histogram("latency_seconds", "Latency.", buckets=(0.1, 1)).observe(0.5)
    text = metrics.render()
    assert b'latency_seconds_bucket{le="1.0"} 1.0' in text
    assert b"process_resident_memory_bytes" in text
