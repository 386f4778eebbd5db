"""`pilot patch`: strategic, merge and JSON patches, to an object or a subresource."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import orjson

from cli.command import Command
from cli.errors import CliError, ServerError, UsageError
from cli.flags import Flag, Parsed
from cli.output import printer, report
from cli.targets import FILE_FLAGS, resolve
from machinery.client.api import PatchType
from machinery.errors import ApiError

if TYPE_CHECKING:
    from cli.context import Session

TYPES = {"strategic": PatchType.STRATEGIC, "merge": PatchType.MERGE, "json": PatchType.JSON}


async def run(session: Session, flags: Parsed) -> int:
    if flags["type"] not in TYPES:
        raise UsageError(f'--type must be one of [json merge strategic], not "{flags["type"]}"')
    patch = _patch(flags)
    client = await session.client()
    for target in await resolve(session, flags, verb="patch"):
        gvr = target.resource.gvr
        try:
            before = await client.get(gvr, target.name, namespace=target.namespace)
            after = await client.patch(
                gvr,
                target.name,
                patch,
                TYPES[flags["type"]],
                namespace=target.namespace,
                subresource=flags["subresource"],
                dry_run=report.dry_run(flags) != "none",
                field_manager=flags["field-manager"] or "kubectl-patch",
            )
        except ApiError as error:
            raise ServerError(error) from None
        changed = before["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"]
        unchanged = not changed and report.dry_run(flags) == "none"
        report.done(flags, target.resource, after, "patched (no change)" if unchanged else "patched")
    return 0


def _patch(flags: Parsed) -> bytes:
    """The patch as JSON bytes. Raises UsageError, CliError."""
    text = flags["patch"]
    if flags["patch-file"]:
        try:
            text = pathlib.Path(flags["patch-file"]).read_text()
        except OSError as error:
            raise CliError(f'cannot read "{flags["patch-file"]}": {error.strerror}') from None
    if not text:
        raise UsageError("must specify --patch or --patch-file containing the contents of the patch")
    from machinery import manifest

    try:
        return orjson.dumps(manifest.load(text.encode()))
    except manifest.ManifestError as error:
        raise CliError(f'unable to parse "{text}": {error}') from None


COMMAND = Command(
    name="patch",
    summary="Update fields of a resource using strategic merge patch, a JSON merge patch, or a JSON patch.",
    usage="patch (-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE] [flags]",
    run=run,
    flags=(
        *FILE_FLAGS,
        Flag("patch", "The patch to be applied to the resource JSON file.", short="p"),
        Flag("patch-file", "A file containing a patch to be applied to the resource."),
        Flag("type", "The type of patch being provided; one of [json merge strategic]", default="strategic"),
        Flag("subresource", "If specified, patch will operate on the subresource of the requested object."),
        report.DRY_RUN,
        report.FIELD_MANAGER,
        printer.OUTPUT_FLAG,
    ),
    examples="""
# Partially update a node using a strategic merge patch
pilot patch node k8s-node-1 -p '{"spec":{"unschedulable":true}}'

# Update a container's image with a JSON patch
pilot patch pod valid-pod --type=json -p='[{"op": "replace", "path": "/spec/containers/0/image", "value":"new"}]'
""",
)
