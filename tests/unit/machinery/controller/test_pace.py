"""Large objects are written less often."""

from __future__ import annotations

from actors import VirtualClock
from machinery.controller.pace import Pace


async def test_what_is_large_waits_in_proportion() -> None:
    clock = VirtualClock()
    pace = Pace(clock, free=100, seconds=0.0005)
    pace.wrote("small", 100)
    pace.wrote("large", 1000)
    assert (pace.wait("small"), pace.wait("large")) == (0.0, 0.5)
    await clock.advance(seconds=0.2)
    assert pace.wait("large") == 0.3
    await clock.advance(seconds=0.3)
    assert pace.wait("large") == 0.0


def test_what_shrank_or_is_gone_waits_no_more() -> None:
    pace = Pace(VirtualClock())
    for key in ("shrank", "gone"):
        pace.wrote(key, 1000)
    pace.wrote("shrank", 3)
    pace.forget("gone")
    assert (pace.wait("shrank"), pace.wait("gone")) == (0.0, 0.0)
