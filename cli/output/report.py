"""What a command says it did: `deployment.apps/web scaled`, or the object in the format that -o asks for."""

from __future__ import annotations

import sys
from typing import Any

from cli.flags import Flag, Parsed
from cli.output import printer
from cli.resources import Resource

DRY_RUN = Flag(
    "dry-run",
    'Must be "none", "server", or "client". "server" asks without persisting, "client" does not ask at all.',
    default="none",
    bare="client",
)
FIELD_MANAGER = Flag("field-manager", "Name of the manager used to track field ownership.", default="")


def dry_run(flags: Parsed) -> str:
    """`none`, `client` or `server`. Raises UsageError for anything else."""
    from cli.errors import UsageError

    value = str(flags["dry-run"])
    if value in ("none", "false", ""):
        return "none"
    if value in ("client", "true", "unchanged"):
        return "client"
    if value == "server":
        return "server"
    raise UsageError(f'Invalid dry-run value ({value}). Must be "none", "server", or "client".')


def done(flags: Parsed, resource: Resource, obj: Any, what: str) -> None:
    """Say that `obj` was `what` ("created", "scaled"), as -o asks."""
    output = flags.values.get("output", "")
    mode = dry_run(flags) if "dry-run" in flags.values else "none"
    suffix = {"client": " (dry run)", "server": " (server dry run)"}.get(mode, "")
    name = f"{resource.full_name}/{obj['metadata']['name']}"
    if output in ("", "wide"):
        print(f"{name} {what}{suffix}", flush=True)
        return
    sys.stdout.write(printer.printer(output, name_of=lambda _: name)(obj))
    sys.stdout.flush()
