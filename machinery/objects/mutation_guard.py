"""Test-only proof that what a cache handed out was not changed.

A cache's objects are shared and read-only by agreement, because copying every object for every reader would cost more
than all the rest. The guard keeps each object's bytes from when it went in and compares them at the end of a test.
"""

from __future__ import annotations

from typing import Any

import orjson

from machinery.objects import meta


class CachedObjectChanged(AssertionError):
    """Somebody wrote to an object of a cache. Names the object, and shows it before and after."""


class MutationGuard:
    """Remembers objects and proves later that they are as they were."""

    def __init__(self) -> None:
        self._seen: list[tuple[dict[str, Any], bytes]] = []

    def add(self, o: dict[str, Any]) -> None:
        """Remember this object as it is now."""
        self._seen.append((o, orjson.dumps(o)))

    def check(self) -> None:
        """Raise CachedObjectChanged when a remembered object was changed."""
        for o, before in self._seen:
            after = orjson.dumps(o)
            if after != before:
                which = f"{meta.kind(o)} {meta.key(o)}"
                raise CachedObjectChanged(
                    f"{which} was changed in the cache\nbefore {before.decode()}\nafter  {after.decode()}"
                )
