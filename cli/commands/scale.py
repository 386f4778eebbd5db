"""`pilot scale`: a new number of replicas, through the scale subresource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.command import Command
from cli.errors import CliError, UsageError
from cli.flags import Flag, Kind, Parsed, switch
from cli.output import printer, report
from cli.targets import FILE_FLAGS, SELECTOR_FLAGS, resolve
from machinery.client.api import PatchType

if TYPE_CHECKING:
    from cli.context import Session


async def run(session: Session, flags: Parsed) -> int:
    replicas = flags["replicas"]
    if replicas is None:
        raise UsageError('required flag(s) "replicas" not set')
    if replicas < 0:
        raise UsageError("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    client = await session.client()
    targets = await resolve(session, flags, verb="scale")
    for target in targets:
        gvr = target.resource.gvr
        if "scale" not in target.resource.subresources:
            raise CliError(f"the server could not find the requested resource: {gvr.group_resource} cannot be scaled")
        scale = await client.get(gvr, target.name, namespace=target.namespace, subresource="scale")
        current = (scale.get("spec") or {}).get("replicas", 0)
        if flags["current-replicas"] is not None and flags["current-replicas"] not in (-1, current):
            raise CliError(f"Expected replicas to be {flags['current-replicas']}, was {current}")
        if flags["resource-version"] and scale["metadata"]["resourceVersion"] != flags["resource-version"]:
            raise CliError(
                f"Expected resource version to be {flags['resource-version']}, "
                f"was {scale['metadata']['resourceVersion']}"
            )
        mode = report.dry_run(flags)
        if mode != "client":
            scale = await client.patch(
                gvr,
                target.name,
                {"spec": {"replicas": replicas}},
                PatchType.MERGE,
                namespace=target.namespace,
                subresource="scale",
                dry_run=mode == "server",
            )
        report.done(flags, target.resource, scale, "scaled")
    return 0


COMMAND = Command(
    name="scale",
    summary="Set a new size for a deployment, replica set, replication controller, or stateful set.",
    usage="scale [--current-replicas=count] --replicas=COUNT (-f FILENAME | TYPE NAME) [flags]",
    run=run,
    flags=(
        *FILE_FLAGS,
        *SELECTOR_FLAGS,
        Flag("replicas", "The new desired number of replicas. Required.", kind=Kind.INT, default=None),
        Flag("current-replicas", "Precondition for current size.", kind=Kind.INT, default=None),
        Flag("resource-version", "Precondition for resource version."),
        switch("all", "Select all resources in the namespace of the specified resource types"),
        report.DRY_RUN,
        printer.OUTPUT_FLAG,
    ),
    examples="""
# Scale a deployment to 3, if it has 2 now
pilot scale --current-replicas=2 --replicas=3 deployment/web
""",
)
