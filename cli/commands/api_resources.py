"""`pilot api-resources`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.command import Command
from cli.errors import UsageError
from cli.flags import Flag, Kind, Parsed, switch
from cli.output.table import columns

if TYPE_CHECKING:
    from cli.context import Session


async def run(session: Session, flags: Parsed) -> int:
    if flags["output"] not in ("", "wide", "name"):
        raise UsageError(f"--output {flags['output']} is not available, use one of: wide, name")
    found = [
        resource
        for resource in (await session.mapper()).resources
        if ("api-group" not in flags.given or resource.gvr.group == flags["api-group"])
        and (flags["namespaced"] is None or resource.namespaced == flags["namespaced"])
        and all(verb in resource.verbs for verb in flags["verbs"])
        and all(category in resource.categories for category in flags["categories"])
    ]
    if flags["sort-by"] not in ("", "name", "kind"):
        raise UsageError("--sort-by accepts only name or kind")
    by_kind = flags["sort-by"] == "kind"
    by_name = flags["sort-by"] == "name"
    found.sort(key=lambda r: (r.kind if by_kind else "" if by_name else r.gvr.group, r.gvr.resource))
    if flags["output"] == "name":
        for resource in found:
            print(resource.gvr.group_resource)
        return 0
    wide = flags["output"] == "wide"
    header = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", *(["VERBS", "CATEGORIES"] if wide else [])]
    rows = [
        [
            resource.gvr.resource,
            ",".join(resource.short_names),
            resource.gvr.api_version,
            str(resource.namespaced).lower(),
            resource.kind,
            *([",".join(resource.verbs), ",".join(resource.categories)] if wide else []),
        ]
        for resource in found
    ]
    for line in columns(rows, header=() if flags["no-headers"] else header):
        print(line)
    return 0


COMMAND = Command(
    name="api-resources",
    summary="Print the supported API resources on the server.",
    usage="api-resources [flags]",
    run=run,
    arguments=False,
    flags=(
        Flag("api-group", "Limit to resources in the specified API group."),
        Flag(
            "namespaced",
            "If given, only namespaced (true) or only cluster-scoped (false) resources.",
            kind=Kind.BOOL,
            default=None,
            bare="true",
        ),
        Flag("verbs", "Limit to resources that support the specified verbs.", kind=Kind.LIST, default=[]),
        Flag("categories", "Limit to resources that belong to the specified categories.", kind=Kind.LIST, default=[]),
        Flag("output", "Output format. One of: (wide, name).", short="o"),
        Flag("sort-by", "If non-empty, sort list of resources using specified field: name or kind."),
        switch("no-headers", "When using the default or custom-column output format, don't print headers."),
    ),
    examples="# Resources that are not in a namespace\npilot api-resources --namespaced=false",
)
