"""/livez, /readyz and /healthz: named checks, together and one by one.

Live is what a restart could mend; ready is whether requests belong here now. The texts are kube-apiserver's, so that
probes and people read them alike.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from apiserver.documents.api import Document
from machinery.errors import NotFound

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str]]
"""Answers "" when all is well, else what is wrong, in words for the log."""

ENDPOINTS = ("livez", "readyz", "healthz")


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    check: Check
    live: bool


async def _ping() -> str:
    return ""


class Health:
    """The checks of one server. Parts register theirs before it serves."""

    def __init__(self) -> None:
        self._checks: dict[str, _Named] = {"ping": _Named("ping", _ping, live=True)}

    def register(self, name: str, check: Check, *, live: bool = False) -> None:
        """Add a check of readiness, and of liveness too when `live`. Raises ValueError for a name in use."""
        if name in self._checks:
            raise ValueError(f"two health checks of the name {name}")
        self._checks[name] = _Named(name, check, live)

    async def document(self, path: str, query: Mapping[str, Sequence[str]]) -> Document:
        """The answer of `readyz`, `livez/etcd`, … Raises NotFound for a check that there is not."""
        endpoint, _, only = path.partition("/")
        checks = [each for each in self._checks.values() if endpoint == "readyz" or endpoint == "healthz" or each.live]
        if only:
            checks = [each for each in checks if each.name == only]
            if not checks:
                raise NotFound(f"there is no check {only}")
        return await _answer(endpoint, checks, excluded=set(query.get("exclude") or ()), verbose="verbose" in query)


async def _answer(endpoint: str, checks: Sequence[_Named], *, excluded: set[str], verbose: bool) -> Document:
    lines = []
    failed = []
    for each in checks:
        if each.name in excluded:
            lines.append(f"[+]{each.name} excluded: ok")
            continue
        wrong = await each.check()
        if wrong:
            failed.append(each.name)
            log.warning("health check failed endpoint=%s check=%s reason=%s", endpoint, each.name, wrong)
            lines.append(f"[-]{each.name} failed: reason withheld")
        else:
            lines.append(f"[+]{each.name} ok")
    unknown = sorted(excluded - {each.name for each in checks})
    if unknown:
        lines.append(f"warn: some health checks cannot be excluded: no matches for {', '.join(unknown)}")
    if failed:
        return _text("\n".join([*lines, f"{endpoint} check failed", ""]), status=500)
    if verbose:
        return _text("\n".join([*lines, f"{endpoint} check passed", ""]))
    return _text("ok")


def _text(text: str, *, status: int = 200) -> Document:
    return Document(text.encode(), "text/plain; charset=utf-8", status)
