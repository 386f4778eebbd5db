"""`pilot wait --for=condition=Ready|delete|create|jsonpath=...`: until every object is so, or the time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.command import Command
from cli.errors import CliError, ServerError, UsageError, raise_any
from cli.flags import Flag, Kind, Parsed, switch
from cli.output import jsonpath
from cli.targets import ALL_NAMESPACES, FILE_FLAGS, SELECTOR_FLAGS, Target, from_words, resolve
from machinery.client.api import Client, Object
from machinery.errors import Gone, NotFound

if TYPE_CHECKING:
    from cli.context import Session


@dataclass(frozen=True, slots=True)
class Condition:
    """met: whether the object is as wanted; it gets None for an object that is not there.
    absent: whether an object that is not there is worth waiting for (else it is an error)."""

    met: Callable[[Object | None], bool]
    absent: bool = False


async def run(session: Session, flags: Parsed) -> int:
    condition = _condition(flags["for"])
    client = await session.client()
    creating, deleting = flags["for"] == "create", flags["for"] == "delete"
    if creating and flags.args and not flags["filename"]:
        targets = from_words(flags.args, await session.mapper(), namespace=session.namespace, verb="wait")
    else:
        targets = await resolve(session, flags, verb="wait")
    if deleting:
        # what is gone already is not worth a word
        targets = [target for target in targets if await _current(client, target)]
    elif not targets:
        raise CliError("no matching resources found")
    failures: list[CliError] = []
    timeout = flags["timeout"] if flags["timeout"] >= 0 else 7 * 24 * 3600.0
    deadline = asyncio.get_running_loop().time() + timeout
    for target in targets:
        try:
            if not timeout:
                await _look(client, target, condition)
            else:
                async with asyncio.timeout_at(deadline):
                    await until(client, target, condition)
        except TimeoutError:
            failures.append(CliError(f"timed out waiting for the condition on {_plural(target)}"))
            continue
        except NotFound as error:
            failures.append(ServerError(error))
            continue
        except CliError as error:
            failures.append(error)
            continue
        print(f"{target.shown} condition met", flush=True)
    raise_any(failures)
    return 0


async def _current(client: Client, target: Target) -> Object | None:
    try:
        return await client.get(target.resource.gvr, target.name, namespace=target.namespace)
    except NotFound:
        return None


async def _look(client: Client, target: Target, condition: Condition) -> None:
    """Once, for `--timeout=0`. Raises NotFound, CliError."""
    if not condition.met(await _current(client, target)):
        if not condition.absent:
            await client.get(target.resource.gvr, target.name, namespace=target.namespace)
        raise CliError(f"condition not met for {_plural(target)}")


async def until(client: Client, target: Target, condition: Condition) -> None:
    """Return when the condition holds of the object. Raises NotFound when it is not there and must be."""
    selector = f"metadata.name={target.name}"
    gvr = target.resource.gvr
    while True:
        page = await client.list(gvr, namespace=target.namespace, field_selector=selector)
        current = page.items[0] if page.items else None
        if condition.met(current):
            return
        if current is None and not condition.absent:
            await client.get(gvr, target.name, namespace=target.namespace)
        try:
            async for event in client.watch(
                gvr, namespace=target.namespace, field_selector=selector, resource_version=page.resource_version
            ):
                if condition.met(None if event.type == "DELETED" else event.object):
                    return
        except Gone:
            continue


def _condition(text: str) -> Condition:
    kind, _, rest = text.partition("=")
    if text == "delete":
        return Condition(lambda obj: obj is None, absent=True)
    if text == "create":
        return Condition(lambda obj: obj is not None, absent=True)
    if kind == "condition" and rest:
        name, _, wanted = rest.partition("=")
        return Condition(lambda obj: _has_condition(obj, name, wanted or "True"))
    if kind == "jsonpath" and rest:
        return _jsonpath(rest)
    raise UsageError(f'unrecognized condition: "{text}"')


def _has_condition(obj: Object | None, name: str, wanted: str) -> bool:
    if not obj:
        return False
    status = obj.get("status") or {}
    generation = obj["metadata"].get("generation")
    for condition in status.get("conditions") or ():
        if condition.get("type", "").lower() == name.lower():
            observed = condition.get("observedGeneration", status.get("observedGeneration"))
            fresh = observed is None or generation is None or observed >= generation
            return bool(fresh and condition.get("status", "").lower() == wanted.lower())
    return False


def _jsonpath(text: str) -> Condition:
    if text.startswith("{"):
        path, equals, wanted = text.rpartition("=") if "}=" in text else (text, "", "")
    else:
        path, equals, wanted = text.partition("=")
    wanted = wanted.strip("'\"")
    try:
        template = jsonpath.parse(jsonpath.relaxed(path))
    except jsonpath.JsonPathError as error:
        raise UsageError(f"jsonpath wait: {error}") from None

    def met(obj: Object | None) -> bool:
        if not obj:
            return False
        values: list[Any] = template.values(obj)
        if not equals:
            return bool(values)
        return len(values) == 1 and jsonpath.printed(values[0]) == wanted

    return Condition(met)


def _plural(target: Target) -> str:
    return f"{target.resource.gvr.resource}/{target.name}"


COMMAND = Command(
    name="wait",
    summary="Wait for a specific condition on one or many resources.",
    usage="wait ([-f FILENAME] | resource.group/resource.name | resource.group [(-l label | --all)]) "
    "[--for=create|--for=delete|--for condition=available|--for=jsonpath='{}'[=value]]",
    run=run,
    flags=(
        *FILE_FLAGS,
        *SELECTOR_FLAGS,
        ALL_NAMESPACES,
        switch("all", "Select all resources in the namespace of the specified resource types"),
        Flag("for", "The condition to wait on: [create|delete|condition=name[=value]|jsonpath='{path}'[=value]]"),
        Flag("timeout", "How long to wait; zero checks once, negative waits a week.", kind=Kind.DURATION, default=30.0),
    ),
    examples="""
# Wait for a pod to be ready
pilot wait --for=condition=Ready pod/busybox1

# Wait for a service to get an address
pilot wait --for=jsonpath='{.status.phase}'=Running pod/busybox1
""",
)
