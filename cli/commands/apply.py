"""`pilot apply`: make the server's objects what files say; what others set stays (client-side apply, as kubectl)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from cli import prune
from cli.command import Command
from cli.errors import CliError, ServerError, UsageError, raise_any
from cli.flags import Flag, Kind, Parsed, switch
from cli.output import printer, report
from cli.prune import LAST_APPLIED
from cli.targets import FILE_FLAGS, Target, from_files
from machinery.client.api import Client, Object, PatchType
from machinery.errors import ApiError, Conflict, NotFound
from machinery.patch import three_way
from machinery.schema import definitions

if TYPE_CHECKING:
    from cli.context import Session

MANAGER = "kubectl-client-side-apply"
TRIES = 5
TAKE_OVER = (
    "Other managers set these fields. Run it again with --force-conflicts to take them over, leave them out of the "
    "file to let the others keep them, or give them the values they have to share them."
)


async def run(session: Session, flags: Parsed) -> int:
    if not flags["filename"]:
        raise UsageError("must specify -f")
    if flags.args:
        raise UsageError(f"Unexpected args: [{' '.join(flags.args)}]")
    if flags["force-conflicts"] and not flags["server-side"]:
        raise UsageError("--force-conflicts only works with --server-side")
    if flags["server-side"] and report.dry_run(flags) == "client":
        raise UsageError("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)")
    if flags["prune"]:
        prune.check(flags)
    client = await session.client()
    failures: list[CliError] = []
    applied: list[Target] = []
    for target in await from_files(session, flags["filename"], recursive=flags["recursive"], refused=failures):
        if not target.name:
            raise CliError(f'error when reading "{target.source}": resource name may not be empty')
        try:
            if flags["server-side"]:
                await _server_side(client, target, flags)
            else:
                after, done = await client_side(client, target, _recorded(target), flags)
                report.done(flags, target.resource, after, done)
        except CliError as error:
            failures.append(error)
            continue
        except Conflict as error:
            if not flags["server-side"]:
                failures.append(ServerError(error, doing=f'error when applying patch for "{target.source}"'))
                continue
            failures.append(CliError(error.message, hint=TAKE_OVER))
            continue
        except ApiError as error:
            failures.append(ServerError(error, doing=f'error when applying "{target.source}"'))
            continue
        applied.append(target)
    if flags["prune"] and not failures:
        await prune.prune(session, applied, flags)
    raise_any(failures)
    return 0


async def _server_side(client: Client, target: Target, flags: Parsed) -> None:
    after = await client.patch(
        target.resource.gvr,
        target.name,
        orjson.dumps(target.obj),
        PatchType.APPLY,
        namespace=target.namespace,
        dry_run=report.dry_run(flags) == "server",
        field_manager=flags["field-manager"] or "kubectl",
        force=flags["force-conflicts"],
    )
    report.done(flags, target.resource, after, "serverside-applied")


async def client_side(client: Client, target: Target, wanted: Object, flags: Parsed) -> tuple[Object, str]:
    """Make the object what is wanted: as it is then, and what was done to it. Raises ApiError, CliError.

    flags: those of `apply` that say how to ask (dry-run, validate, field-manager)."""
    mode = report.dry_run(flags)
    manager = flags["field-manager"] or MANAGER
    gvr = target.resource.gvr
    for attempt in range(TRIES):
        try:
            current = await client.get(gvr, target.name, namespace=target.namespace)
        except NotFound:
            after = wanted
            if mode != "client":
                try:
                    after = await client.create(
                        gvr,
                        wanted,
                        namespace=target.namespace,
                        dry_run=mode == "server",
                        field_manager=manager,
                        field_validation=validation(flags),
                    )
                except ApiError as error:
                    raise ServerError(error, doing=f'error when creating "{target.source}"') from None
            return after, "created"
        patch, kind = _patch(target, wanted, current)
        if not patch:
            return current, "unchanged"
        if mode == "client":
            return current, "configured"
        try:
            after = await client.patch(
                gvr,
                target.name,
                patch,
                kind,
                namespace=target.namespace,
                dry_run=mode == "server",
                field_manager=manager,
                field_validation=validation(flags),
            )
        except Conflict:
            if attempt == TRIES - 1:
                raise
            continue
        return after, "configured"
    raise AssertionError("the last try ends in one way or another")


def bare(target: Target) -> Object:
    """The manifest as it stands, in its namespace and without what an earlier apply recorded in it."""
    assert target.obj is not None, "targets of files have their object"
    metadata = {**(target.obj.get("metadata") or {})}
    if target.namespace:
        metadata["namespace"] = target.namespace
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    return {**target.obj, "metadata": metadata}


def _recorded(target: Target) -> Object:
    """The manifest with itself in the annotation that the next apply reads."""
    plain = bare(target)
    metadata = plain["metadata"]
    said = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    return {**plain, "metadata": {**metadata, "annotations": {**metadata["annotations"], LAST_APPLIED: said}}}


def _patch(target: Target, wanted: Object, current: Object) -> tuple[dict[str, Any], PatchType]:
    said = (current["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        original = orjson.loads(said) if said else {}
    except orjson.JSONDecodeError as error:
        raise CliError(f"{target.shown}: the annotation {LAST_APPLIED} does not hold JSON: {error}") from None
    schema = definitions.builtin().of_kind(target.resource.gvk)
    if schema is None:
        return three_way.merge(original, wanted, current), PatchType.MERGE
    return three_way.strategic(original, wanted, current, schema), PatchType.STRATEGIC


def validation(flags: Parsed) -> str:
    """--validate as the server's fieldValidation. Raises UsageError."""
    value = str(flags["validate"]).lower()
    found = {"true": "Strict", "strict": "Strict", "warn": "Warn", "false": "Ignore", "ignore": "Ignore"}.get(value)
    if found is None:
        raise UsageError(
            f'invalid - validate option "{flags["validate"]}"; must be one of: strict (or true), warn, '
            "ignore (or false)"
        )
    return found


VALIDATE = Flag(
    "validate", "Must be one of: strict (or true), warn, ignore (or false).", default="strict", bare="strict"
)

COMMAND = Command(
    name="apply",
    summary="Apply a configuration to a resource by file name or stdin.",
    usage="apply -f FILENAME [flags]",
    run=run,
    flags=(
        *FILE_FLAGS,
        VALIDATE,
        switch("server-side", "If true, apply runs in the server instead of the client."),
        switch("force-conflicts", "If true, server-side apply will force the changes against conflicts."),
        switch("prune", "Automatically delete resource objects that do not appear in the configs."),
        switch("all", "Select all resources in the namespace of the specified resource types, for --prune."),
        Flag("selector", "Selector (label query) to filter on, for --prune", short="l"),
        Flag(
            "prune-allowlist",
            "Kinds to prune, as <group/version/kind> (group core for none), instead of the usual.",
            kind=Kind.ARRAY,
            default=[],
        ),
        report.DRY_RUN,
        report.FIELD_MANAGER,
        printer.OUTPUT_FLAG,
    ),
    examples="""
# Apply what a file describes, or a directory of files
pilot apply -f ./pod.yaml
pilot apply -f examples/guestbook

# Apply what stdin has, and only ask what would happen
cat pod.json | pilot apply -f - --dry-run=server
""",
)
