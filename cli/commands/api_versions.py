"""`pilot api-versions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.command import Command

if TYPE_CHECKING:
    from cli.context import Session
    from cli.flags import Parsed


async def run(session: Session, flags: Parsed) -> int:
    for version in sorted({resource.gvr.api_version for resource in (await session.mapper()).resources}):
        print(version)
    return 0


COMMAND = Command(
    name="api-versions",
    summary='Print the supported API versions on the server, in the form of "group/version".',
    usage="api-versions",
    run=run,
    arguments=False,
)
