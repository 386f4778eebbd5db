"""`pilot replace`: the server's objects become what files say, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.command import Command
from cli.commands.apply import VALIDATE, validation
from cli.errors import CliError, ServerError, UsageError, raise_any
from cli.flags import Parsed
from cli.output import printer, report
from cli.targets import FILE_FLAGS, Target, from_files
from machinery.client.api import Client, Object
from machinery.errors import ApiError

if TYPE_CHECKING:
    from cli.context import Session


async def run(session: Session, flags: Parsed) -> int:
    if not flags["filename"]:
        raise UsageError("must specify -f")
    client = await session.client()
    failures: list[CliError] = []
    for target in await from_files(session, flags["filename"], recursive=flags["recursive"], refused=failures):
        try:
            after = await _replace(client, target, flags)
        except ApiError as error:
            failures.append(ServerError(error, doing=f'error when replacing "{target.source}"'))
            continue
        report.done(flags, target.resource, after, "replaced")
    raise_any(failures)
    return 0


async def _replace(client: Client, target: Target, flags: Parsed) -> Object:
    """A file that names the version it was written from replaces that one alone, any other whatever is there."""
    assert target.obj is not None, "targets of files have their object"
    metadata = {**(target.obj.get("metadata") or {})}
    mode = report.dry_run(flags)
    current = await client.get(target.resource.gvr, target.name, namespace=target.namespace)
    metadata.setdefault("resourceVersion", current["metadata"]["resourceVersion"])
    if target.namespace:
        metadata["namespace"] = target.namespace
    obj = {**target.obj, "metadata": metadata}
    if mode == "client":
        return obj
    return await client.update(
        target.resource.gvr,
        obj,
        dry_run=mode == "server",
        field_manager=flags["field-manager"] or "kubectl-replace",
        field_validation=validation(flags),
    )


COMMAND = Command(
    name="replace",
    summary="Replace a resource by file name or stdin.",
    usage="replace -f FILENAME [flags]",
    run=run,
    flags=(*FILE_FLAGS, VALIDATE, report.DRY_RUN, report.FIELD_MANAGER, printer.OUTPUT_FLAG),
    examples="# Replace a pod with what a file says\npilot replace -f ./pod.json",
    arguments=False,
)
