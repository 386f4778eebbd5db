"""`pilot version`: of this program, and of the server that the context names."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

import orjson

from cli.command import Command
from cli.flags import switch

if TYPE_CHECKING:
    from cli.context import Session
    from cli.flags import Parsed


async def run(session: Session, flags: Parsed) -> int:
    print(f"Client Version: {_own()}", flush=True)
    if not flags["client"]:
        server = orjson.loads(await (await session.client()).document("/version"))
        print(f"Server Version: {server['gitVersion']}")
    return 0


def _own() -> str:
    """This program's version; a checkout that nobody installed has none."""
    try:
        return f"v{importlib.metadata.version('pilothouse')}"
    except importlib.metadata.PackageNotFoundError:
        return "unknown (not installed)"


COMMAND = Command(
    name="version",
    summary="Print the client and server version information for the current context.",
    usage="version [flags]",
    run=run,
    arguments=False,
    flags=(switch("client", "If true, shows client version only (no server required)."),),
)
