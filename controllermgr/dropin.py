"""Drop-in files: how an operator changes a unit without touching code or flags.

`DIR/UNIT.d/*.yaml`, read in the order of their names, a later one overriding an earlier one, key by key:

    enabled: false
    workers: 10
    after: [namespace]            # in addition to the unit's own
    startLimitIntervalSec: 10     # seconds, or a duration such as 1m30s
    startLimitBurst: 5
    restartSec: 0.1
    restartMaxDelaySec: 30
    watchdogSec: 300
    config: {nodeMonitorGracePeriod: 50s}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from controllermgr.errors import BadDropIn
from controllermgr.unit import DEFAULT_LIMITS, Limits
from machinery.controller.spec import ControllerSpec
from machinery.objects import timefmt

_LIMITS = {
    "startLimitIntervalSec": "start_limit_interval",
    "startLimitBurst": "start_limit_burst",
    "restartSec": "restart",
    "restartMaxDelaySec": "restart_max",
}
_KEYS = {"enabled", "workers", "after", "watchdogSec", "config", *_LIMITS}
ENABLEMENT = "90-enabled.yaml"
"""The file that `enable` and `disable` write."""


@dataclass(frozen=True, slots=True)
class DropIn:
    """What the files of one unit say, merged."""

    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def enabled(self) -> bool | None:
        """None when no file says so."""
        found = self.values.get("enabled")
        return None if found is None else bool(found)

    def spec(self, spec: ControllerSpec) -> ControllerSpec:
        """The controller's spec with what the files change."""
        values = self.values
        return replace(
            spec,
            workers=int(values.get("workers", spec.workers)),
            after=(*spec.after, *(name for name in values.get("after", ()) if name not in spec.after)),
            watchdog=_seconds(values.get("watchdogSec", spec.watchdog)),
            config={**spec.config, **values.get("config", {})},
        )

    def limits(self) -> Limits:
        """The unit's limits."""
        found = {ours: _seconds(self.values[key]) for key, ours in _LIMITS.items() if key in self.values}
        if "start_limit_burst" in found:
            return replace(DEFAULT_LIMITS, **{**found, "start_limit_burst": int(found["start_limit_burst"])})  # type: ignore[arg-type]  # the keys are Limits' own
        return replace(DEFAULT_LIMITS, **found)  # type: ignore[arg-type]  # as above


def load(directory: Path, unit: str) -> DropIn:
    """The drop-ins of one unit; none when there is no such directory. Blocks on files. Raises BadDropIn."""
    import yaml

    merged: dict[str, Any] = {}
    for path in sorted((directory / f"{unit}.d").glob("*.yaml")):
        try:
            document = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BadDropIn(f"{path}: {error}") from error
        if not isinstance(document, dict):
            raise BadDropIn(f"{path}: expected a mapping")
        if unknown := sorted(set(document) - _KEYS):
            raise BadDropIn(f"{path}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
        merged = {**merged, **document, "config": {**merged.get("config", {}), **document.get("config", {})}}
    try:
        drop_in = DropIn(merged)
        drop_in.limits()
    except (TypeError, ValueError) as error:
        raise BadDropIn(f"{directory / unit}.d: {error}") from error
    return drop_in


def write_enablement(directory: Path, unit: str, *, enabled: bool) -> None:
    """Make `enable` or `disable` last. Blocks on files."""
    folder = directory / f"{unit}.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ENABLEMENT).write_text(f"enabled: {'true' if enabled else 'false'}\n")


def _seconds(value: float | int | str) -> float:
    if isinstance(value, str):
        return timefmt.parse_duration(value)
    return float(value)
