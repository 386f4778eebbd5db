"""Many alike writes at once, without hammering on a server that refuses them all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from machinery.client.api import Object
from machinery.errors import ApiError


async def slow_start(count: int, make: Callable[[], Awaitable[Object]]) -> tuple[list[Object], ApiError | None]:
    """Call `make` up to `count` times: one, then two, four, eight at a time, as long as every call of a batch succeeds.

    Answers what was made, and the first ApiError; the rest of the count was then not tried. So a quota that refuses
    everything costs one request, and a thousand pods cost ten rounds.
    """
    made: list[Object] = []
    size = 1
    while len(made) < count:
        size = min(size, count - len(made))
        results = await asyncio.gather(*(make() for _ in range(size)), return_exceptions=True)
        error = _sort(results, made)
        if error is not None:
            return made, error
        size *= 2
    return made, None


async def all_at_once(calls: Sequence[Awaitable[Object]]) -> tuple[list[Object], ApiError | None]:
    """Await all of them together. Answers the results of those that succeeded, and the first ApiError."""
    done: list[Object] = []
    return done, _sort(await asyncio.gather(*calls, return_exceptions=True), done)


def _sort(results: Sequence[Object | BaseException], made: list[Object]) -> ApiError | None:
    first: ApiError | None = None
    for result in results:
        if isinstance(result, ApiError):
            first = first or result
        elif isinstance(result, BaseException):
            raise result
        else:
            made.append(result)
    return first
