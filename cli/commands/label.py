"""`pilot label` and `pilot annotate`: one command for two maps of metadata."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cli.command import Command
from cli.errors import CliError, UsageError
from cli.flags import Parsed, switch
from cli.output import printer, report
from cli.targets import ALL_NAMESPACES, FILE_FLAGS, SELECTOR_FLAGS, resolve
from machinery.client.api import PatchType

if TYPE_CHECKING:
    from cli.context import Session


async def run(session: Session, flags: Parsed, *, key: str, noun: str, past: str) -> int:
    changes = {word for word in flags.args if "=" in word or word.endswith("-")}
    words = [word for word in flags.args if word not in changes]
    setting, removing = _parse([word for word in flags.args if word in changes], noun)
    if flags["list"]:
        return await _list(session, flags, words, key)
    if not changes:
        raise UsageError(f"at least one {noun} update is required")
    flags.args = words
    client = await session.client()
    for target in await resolve(session, flags, verb=noun):
        gvr, mode = target.resource.gvr, report.dry_run(flags)
        obj = await client.get(gvr, target.name, namespace=target.namespace)
        current: dict[str, Any] = obj["metadata"].get(key) or {}
        clash = [name for name in setting if name in current and current[name] != setting[name]]
        if clash and not flags["overwrite"]:
            raise CliError(f"'{clash[0]}' already has a value ({current[clash[0]]}), and --overwrite is false")
        for name in removing:
            if name not in current:
                print(f'{noun} "{name}" not found.', flush=True)
        wanted = {**{name: None for name in removing if name in current}, **setting}
        same = all(current.get(name) == value for name, value in wanted.items())
        if same:
            report.done(flags, target.resource, obj, f"not {past}")
            continue
        metadata: dict[str, Any] = {key: wanted}
        if flags["resource-version"]:
            metadata["resourceVersion"] = flags["resource-version"]
        if mode == "client":
            merged = {name: value for name, value in {**current, **wanted}.items() if value is not None}
            after = {**obj, "metadata": {**obj["metadata"], key: merged}}
        else:
            after = await client.patch(
                gvr,
                target.name,
                {"metadata": metadata},
                PatchType.MERGE,
                namespace=target.namespace,
                dry_run=mode == "server",
                field_manager=flags["field-manager"] or f"kubectl-{noun.replace('annotation', 'annotate')}",
            )
        report.done(flags, target.resource, after, f"un{past}" if removing and not setting else past)
    return 0


async def _list(session: Session, flags: Parsed, words: list[str], key: str) -> int:
    flags.args = words
    client = await session.client()
    for target in await resolve(session, flags, verb="list"):
        obj = await client.get(target.resource.gvr, target.name, namespace=target.namespace)
        for name, value in sorted((obj["metadata"].get(key) or {}).items()):
            print(f"{name}={value}", flush=True)
    return 0


def _parse(words: list[str], noun: str) -> tuple[dict[str, str], list[str]]:
    setting: dict[str, str] = {}
    removing: list[str] = []
    for word in words:
        if "=" in word:
            name, _, value = word.partition("=")
            if not name:
                raise UsageError(f"invalid {noun} spec: {word}")
            setting[name] = value
        else:
            removing.append(word[:-1])
    both = [name for name in removing if name in setting]
    if both:
        article = "an" if noun[0] in "aeiou" else "a"
        raise UsageError(f"can not both modify and remove {article} {noun} in the same command: {both[0]}")
    return setting, removing


_FLAGS = (
    *FILE_FLAGS,
    *SELECTOR_FLAGS,
    ALL_NAMESPACES,
    switch("all", "Select all resources, in the namespace of the specified resource types"),
    switch("overwrite", "If true, allow existing values to be overwritten."),
    switch("list", "If true, display what the resource has."),
    report.DRY_RUN,
    report.FIELD_MANAGER,
    printer.OUTPUT_FLAG,
)


def _command(name: str, key: str, noun: str, past: str) -> Command:
    from cli.flags import Flag

    version = Flag("resource-version", "If non-empty, the update will only succeed if this is the current version.")
    return Command(
        name=name,
        summary=f"Update the {noun}s on one or more resources.",
        usage=f"{name} [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N KEY- [flags]",
        run=partial(run, key=key, noun=noun, past=past),
        flags=(*_FLAGS, version),
        examples=f"""
# Set a value, replace one, remove one
pilot {name} pods foo unhealthy=true
pilot {name} --overwrite pods foo status=unhealthy
pilot {name} pods foo bar-
""",
    )


COMMANDS = {
    "label": _command("label", "labels", "label", "labeled"),
    "annotate": _command("annotate", "annotations", "annotation", "annotated"),
}
