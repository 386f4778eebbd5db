"""Do not act before the cache has seen what we did last.

A controller that creates a pod and looks again before its cache knows of it would create another. So each act is noted,
and until the cache shows it nothing more is done for that key. Nothing is counted and no event handler takes part: an
act is *seen* when the cache holds its effect, or has moved past the resourceVersion it was given.

    if self._expectations.satisfied(key):
        pod = await client.create(PODS, ...)
        self._expectations.wrote(key, pod)
"""

from __future__ import annotations

from dataclasses import dataclass

from actors import Clock
from machinery.client.api import Object
from machinery.informer import Store
from machinery.objects import meta

EXPIRY = 300.0
"""Seconds after which an act that the cache never showed is given up (client-go's ExpectationsTimeout)."""


@dataclass(frozen=True, slots=True)
class _Act:
    uid: str
    resource_version: str
    deletion: bool
    until: float


class Expectations:
    """The acts of one controller on one resource that its cache has not shown yet, by the key they were done for."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._acts: dict[str, dict[str, _Act]] = {}

    def wrote(self, key: str, obj: Object) -> None:
        """`obj` was created or changed for `key`, and this is what the server answered."""
        self._note(key, obj, deletion=False)

    def deleted(self, key: str, obj: Object) -> None:
        """The deletion of `obj`, as the cache holds it, was asked for."""
        self._note(key, obj, deletion=True)

    def satisfied(self, key: str) -> bool:
        """Whether the cache shows all that was done for `key`. Costs one look per act, once."""
        acts = self._acts.get(key)
        while acts:
            name, act = next(iter(acts.items()))
            if not self._seen(name, act):
                return False
            del acts[name]
        self._acts.pop(key, None)
        return True

    def forget(self, key: str) -> None:
        """The key's object is gone."""
        self._acts.pop(key, None)

    def _note(self, key: str, obj: Object, *, deletion: bool) -> None:
        act = _Act(meta.uid(obj), meta.resource_version(obj), deletion, self._clock.monotonic() + EXPIRY)
        self._acts.setdefault(key, {})[meta.key(obj)] = act

    def _seen(self, name: str, act: _Act) -> bool:
        held = self._store.get(name)
        if act.deletion:
            seen = held is None or meta.uid(held) != act.uid or meta.is_deleting(held)
        else:
            seen = (held is not None and meta.resource_version(held) == act.resource_version) or not_before(
                self._store.resource_version, act.resource_version
            )
        return seen or self._clock.monotonic() >= act.until


def not_before(seen: str, wanted: str) -> bool:
    """Whether resourceVersion `seen` is at or past `wanted`. False when they are not the decimal numbers that
    Kubernetes' resourceVersions are (comparable by KEP-5504)."""
    return seen.isdecimal() and wanted.isdecimal() and int(seen) >= int(wanted)
