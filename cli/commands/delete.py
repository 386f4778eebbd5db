"""`pilot delete`: by file, name or selector, and by default until it is gone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.command import Command
from cli.errors import CliError, ServerError, UsageError, raise_any
from cli.flags import Flag, Kind, Parsed, switch
from cli.output import report
from cli.targets import ALL_NAMESPACES, FILE_FLAGS, SELECTOR_FLAGS, Target, resolve
from machinery.client.api import Client, DeleteOptions, Object
from machinery.errors import ApiError, Gone, NotFound

if TYPE_CHECKING:
    from cli.context import Session

POLICIES = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan", "true": "Background"}
IMMEDIATE = (
    "Immediate deletion does not wait for confirmation that the running resource has been terminated. "
    "The resource may continue to run on the cluster indefinitely."
)


async def run(session: Session, flags: Parsed) -> int:
    options = _options(flags)
    if flags["force"]:
        print(f"Warning: {IMMEDIATE}", file=sys.stderr, flush=True)
    client = await session.client()
    failures: list[CliError] = []
    gone: list[tuple[Target, Object]] = []
    targets = await resolve(session, flags, verb="delete", refused=failures)
    if not targets and not failures and not flags["ignore-not-found"]:
        print("No resources found", flush=True)
    for target in targets:
        try:
            if report.dry_run(flags) == "client":
                answer = await client.get(target.resource.gvr, target.name, namespace=target.namespace)
            else:
                answer = await client.delete(
                    target.resource.gvr, target.name, namespace=target.namespace, options=options
                )
        except NotFound as error:
            if not (flags["ignore-not-found"] or flags["all"]):
                failures.append(ServerError(error))
            continue
        except ApiError as error:
            failures.append(ServerError(error))
            continue
        _say(flags, target, forced=options.grace_period_seconds == 0)
        gone.append((target, answer))
    if flags["wait"] and report.dry_run(flags) == "none":
        await _wait(client, gone, flags["timeout"])
    raise_any(failures)
    return 0


def _options(flags: Parsed) -> DeleteOptions:
    grace = flags["grace-period"]
    if flags["now"]:
        if "grace-period" in flags.given:
            raise UsageError("--now and --grace-period cannot be specified together")
        grace = 1
    if flags["force"]:
        if grace > 0:
            raise UsageError("--force and --grace-period greater than 0 cannot be specified together")
        grace = 0
    elif grace == 0:
        # kubectl waits for a graceful end of one second unless --force says that nobody should wait
        grace = 1
    policy = POLICIES.get(flags["cascade"])
    if policy is None:
        raise UsageError(f'invalid cascade value ({flags["cascade"]}). Must be "background", "foreground", or "orphan"')
    return DeleteOptions(
        grace_period_seconds=None if grace < 0 else grace,
        propagation_policy=policy,
        dry_run=report.dry_run(flags) == "server",
    )


def _say(flags: Parsed, target: Target, *, forced: bool) -> None:
    if flags["output"] == "name":
        print(target.shown, flush=True)
        return
    group = f".{target.resource.gvr.group}" if target.resource.gvr.group else ""
    scope = f" from {target.namespace} namespace" if target.namespace else ""
    suffix = {"client": " (dry run)", "server": " (server dry run)"}.get(report.dry_run(flags), "")
    done = "force deleted" if forced else "deleted"
    print(f'{target.resource.singular}{group} "{target.name}" {done}{scope}{suffix}', flush=True)


async def _wait(client: Client, gone: Sequence[tuple[Target, Object]], timeout: float) -> None:
    """Until every object is gone, or replaced by another of its name. Raises CliError when the time is over."""
    try:
        async with asyncio.timeout(timeout or None):
            for target, answer in gone:
                uid = (answer.get("metadata") or {}).get("uid") or (answer.get("details") or {}).get("uid")
                await _until_gone(client, target, uid)
    except TimeoutError:
        raise CliError("timed out waiting for the condition") from None


async def _until_gone(client: Client, target: Target, uid: str | None) -> None:
    selector = f"metadata.name={target.name}"
    while True:
        try:
            page = await client.list(target.resource.gvr, namespace=target.namespace, field_selector=selector)
            if not any(uid is None or item["metadata"]["uid"] == uid for item in page.items):
                return
            events = client.watch(
                target.resource.gvr,
                namespace=target.namespace,
                field_selector=selector,
                resource_version=page.resource_version,
            )
            async for event in events:
                if event.type == "DELETED":
                    return
        except Gone:
            continue


COMMAND = Command(
    name="delete",
    summary="Delete resources by file names, stdin, resources and names, or by resources and label selector.",
    usage="delete ([-f FILENAME] | TYPE [(NAME | -l label | --all)]) [flags]",
    run=run,
    flags=(
        *FILE_FLAGS,
        *SELECTOR_FLAGS,
        ALL_NAMESPACES,
        switch("all", "Delete all resources, in the namespace of the specified resource types."),
        Flag("cascade", 'Must be "background", "orphan", or "foreground".', default="background", bare="background"),
        switch("force", "If true, immediately remove resources from API and bypass graceful deletion."),
        Flag(
            "grace-period",
            "Period of time in seconds given to the resource to terminate gracefully. Ignored if negative.",
            kind=Kind.INT,
            default=-1,
        ),
        switch("now", "If true, resources are signaled for immediate shutdown (same as --grace-period=1)."),
        switch("ignore-not-found", 'Treat "resource not found" as a successful delete.'),
        switch("wait", "If true, wait for resources to be gone before returning.", default=True),
        Flag("timeout", "How long to wait before giving up; zero means no limit.", kind=Kind.DURATION, default=0.0),
        Flag("output", 'Output mode. Use "-o name" for shorter output (resource/name).', short="o"),
        report.DRY_RUN,
    ),
    examples="""
# Delete what a file describes
pilot delete -f ./pod.json

# Delete pods and services with the label name=myLabel
pilot delete pods,services -l name=myLabel

# Delete a pod without waiting for its node
pilot delete pod foo --grace-period=0 --force
""",
)
