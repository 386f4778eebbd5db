"""The text format of Prometheus (version 0.0.4). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from etcdlite.metrics.histogram import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


class Exposition:
    """Collects families of samples, in the order in which they are given."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def counter(self, name: str, help: str, value: float) -> None:
        """A number that only grows."""
        self.family(name, "counter", help, [({}, value)])

    def gauge(self, name: str, help: str, value: float, labels: Labels | None = None) -> None:
        """A number as it is."""
        self.family(name, "gauge", help, [(labels or {}, value)])

    def family(self, name: str, kind: str, help: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """Samples of one name that differ in their labels."""
        self._head(name, kind, help)
        for labels, value in samples:
            self._lines.append(f"{name}{_labels(labels)} {_number(value)}")

    def histogram(self, name: str, help: str, histogram: Histogram) -> None:
        """A distribution."""
        self.histograms(name, help, [({}, histogram)])

    def histograms(self, name: str, help: str, each: Iterable[tuple[Labels, Histogram]]) -> None:
        """Distributions of one name that differ in their labels."""
        self._head(name, "histogram", help)
        for labels, histogram in each:
            total = 0
            for bound, count in zip((*map(_number, histogram.bounds), "+Inf"), histogram.counts, strict=True):
                total += count
                self._lines.append(f"{name}_bucket{_labels({**labels, 'le': bound})} {total}")
            self._lines.append(f"{name}_sum{_labels(labels)} {_number(histogram.sum)}")
            self._lines.append(f"{name}_count{_labels(labels)} {total}")

    def text(self) -> str:
        """All of it."""
        return "\n".join(self._lines) + "\n"

    def _head(self, name: str, kind: str, help: str) -> None:
        self._lines.append(f"# HELP {name} {help}")
        self._lines.append(f"# TYPE {name} {kind}")


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{','.join(pairs)}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) else repr(round(value, 9))
