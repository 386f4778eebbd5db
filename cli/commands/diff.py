"""`pilot diff`: what `apply` would change, as the server answers to a dry run of it."""

from __future__ import annotations

import asyncio
import os
import pathlib
import shlex
import sys
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cli.command import Command
from cli.commands.apply import bare, client_side
from cli.errors import CliError, ServerError, UsageError
from cli.flags import Parsed
from cli.output import report
from cli.output.documents import to_yaml
from cli.targets import FILE_FLAGS, Target, from_files
from machinery.client.api import Object
from machinery.errors import ApiError, NotFound
from machinery.objects import meta

if TYPE_CHECKING:
    from cli.context import Session

FAILED = 2
"""The exit code when it could not be done; else it is that of diff(1): 0 for no difference, 1 for some."""


async def run(session: Session, flags: Parsed) -> int:
    if not flags["filename"]:
        raise UsageError("must specify -f", exit_code=FAILED)
    client = await session.client()
    asking = Parsed({**flags.values, "dry-run": "server", "validate": "strict"})
    with tempfile.TemporaryDirectory(prefix="LIVE-") as live, tempfile.TemporaryDirectory(prefix="MERGED-") as merged:
        for target in await from_files(session, flags["filename"], recursive=flags["recursive"]):
            try:
                before: Object = await client.get(target.resource.gvr, target.name, namespace=target.namespace)
            except NotFound:
                before = {}
            try:
                after, _ = await client_side(client, target, bare(target), asking)
            except ApiError as error:
                raise CliError(ServerError(error).render(), exit_code=FAILED) from None
            name = _file_name(target)
            for directory, obj in ((live, _shown(before, after, "before")), (merged, _shown(after, before, "after"))):
                if obj:
                    (pathlib.Path(directory) / name).write_text(to_yaml(obj))
        return await _compare(live, merged)


def _file_name(target: Target) -> str:
    gvr = target.resource.gvr
    words = (gvr.group, gvr.version, target.resource.kind, target.namespace, target.name)
    return ".".join(word.replace(":", "-") for word in words if word)


def _shown(obj: Object, other: Object, when: str) -> Object:
    """The object without its field managers; of a Secret only whether a value is another one."""
    if not obj:
        return obj
    found = meta.without_managed_fields(obj)
    if obj["kind"] == "Secret":
        theirs: Mapping[str, Any] = other.get("data") or {}
        data = obj.get("data") or {}
        masked = {key: "***" if theirs.get(key, value) == value else f"*** ({when})" for key, value in data.items()}
        return {**found, "data": masked}
    return found


async def _compare(live: str, merged: str) -> int:
    """Run the program that shows the difference. Raises CliError when there is none."""
    program = shlex.split(os.environ.get("KUBECTL_EXTERNAL_DIFF") or "diff -u -N")
    sys.stdout.flush()
    try:
        process = await asyncio.create_subprocess_exec(*program, live, merged)
    except OSError as error:
        raise CliError(f'failed to run "{program[0]}": {error.strerror}', exit_code=FAILED) from None
    return await process.wait()


COMMAND = Command(
    name="diff",
    summary="Diff configurations specified by file name or stdin between the current online configuration, and the "
    "configuration as it would be if applied. Exits with 1 when there are differences, with more on an error.",
    usage="diff -f FILENAME [flags]",
    run=run,
    flags=(*FILE_FLAGS, report.FIELD_MANAGER),
    examples="# What applying a file would change\npilot diff -f pod.json",
    arguments=False,
)
