"""Which of many terms can select a pod with these labels, without asking each.

Almost every selector demands one value of some label (`matchLabels`), so it is filed under that label and value; a pod
looks up its own labels. Selectors that demand none are candidates for every pod.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Generic, TypeVar

from machinery.objects.selectors import Op, Selector

K = TypeVar("K", bound=Hashable)

_EXACT = (Op.EQUALS, Op.DOUBLE_EQUALS, Op.IN)


class TermIndex(Generic[K]):
    """Keys filed by a selector."""

    def __init__(self) -> None:
        self._filed: dict[tuple[str, str], dict[K, None]] = {}
        self._general: dict[K, None] = {}

    def add(self, key: K, selector: Selector) -> None:
        """File the key; again does nothing."""
        place = _place(selector)
        if place is None:
            self._general[key] = None
        else:
            self._filed.setdefault(place, {})[key] = None

    def discard(self, key: K, selector: Selector) -> None:
        """Forget the key."""
        place = _place(selector)
        if place is None:
            self._general.pop(key, None)
        elif place in self._filed:
            self._filed[place].pop(key, None)
            if not self._filed[place]:
                del self._filed[place]

    def candidates(self, labels: Mapping[str, str]) -> Iterator[K]:
        """The keys whose selector may match; not to be changed meanwhile."""
        yield from self._general
        if self._filed:
            for item in labels.items():
                yield from self._filed.get(item, ())


def _place(selector: Selector) -> tuple[str, str] | None:
    for requirement in selector.requirements:
        if requirement.op in _EXACT and len(requirement.values) == 1:
            return requirement.key, requirement.values[0]
    return None
