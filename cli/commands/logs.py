"""`pilot logs`: of a pod's container, of all its containers, or of the pods behind a workload or a selector."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cli.command import Command
from cli.errors import CliError, ServerError, UsageError
from cli.flags import Flag, Kind, Parsed, switch
from cli.targets import Target, from_words
from machinery.client.api import Client, Object
from machinery.client.resources import PODS
from machinery.errors import ApiError, NotFound
from machinery.objects import selectors

if TYPE_CHECKING:
    from cli.context import Session


async def run(session: Session, flags: Parsed) -> int:
    client = await session.client()
    _check(flags)
    try:
        pods = await _pods(session, client, flags)
    except NotFound as error:
        raise CliError(f'error from server (NotFound): {error.message} in namespace "{session.namespace}"') from None
    streams = [
        (pod["metadata"]["namespace"], pod["metadata"]["name"], container)
        for pod in pods
        for container in _containers(pod, flags)
    ]
    if flags["follow"] and len(streams) > flags["max-log-requests"]:
        raise CliError(
            f"you are attempting to follow {len(streams)} log streams, but maximum allowed concurrency is "
            f"{flags['max-log-requests']}, use --max-log-requests to increase the limit"
        )
    if flags["follow"]:
        await asyncio.gather(*(_copy(client, stream, flags) for stream in streams))
        return 0
    for stream in streams:
        await _copy(client, stream, flags)
    return 0


def _check(flags: Parsed) -> None:
    """Raises UsageError for what cannot be meant."""
    if flags["since"] and flags["since-time"]:
        raise UsageError("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if flags["since"] < 0:
        raise UsageError("--since must be greater than 0")
    if flags["tail"] < -1:
        raise UsageError("--tail must be greater than or equal to -1")
    if flags["selector"] and flags.args:
        raise UsageError("only a selector (-l) or a POD name is allowed")
    if len(flags.args) not in (1, 2) and not flags["selector"]:
        raise UsageError(
            "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument "
            "for the logs command"
        )
    if flags["all-pods"]:
        flags.values["prefix"] = True


async def _copy(client: Client, stream: tuple[str, str, str], flags: Parsed) -> None:
    namespace, name, container = stream
    prefix = f"[pod/{name}/{container}] ".encode() if flags["prefix"] else b""
    left = b""
    try:
        async for data in client.logs(namespace, name, _options(flags, container)):
            if not prefix:
                sys.stdout.buffer.write(data)
            else:
                *lines, left = (left + data).split(b"\n")
                for line in lines:
                    sys.stdout.buffer.write(prefix + line + b"\n")
            sys.stdout.buffer.flush()
    except ApiError as error:
        if not flags["ignore-errors"]:
            raise ServerError(error) from None
        print(f"error: {error.message}", file=sys.stderr)
    if left:
        sys.stdout.buffer.write(prefix + left + b"\n")
        sys.stdout.buffer.flush()


def _options(flags: Parsed, container: str) -> Mapping[str, str | int | bool]:
    options: dict[str, str | int | bool] = {"container": container}
    if flags["follow"]:
        options["follow"] = True
    if flags["previous"]:
        options["previous"] = True
    if flags["timestamps"]:
        options["timestamps"] = True
    if flags["tail"] >= 0:
        options["tailLines"] = flags["tail"]
    elif flags["selector"] and "tail" not in flags.given:
        options["tailLines"] = 10
    if flags["since"]:
        options["sinceSeconds"] = max(1, round(flags["since"]))
    if flags["since-time"]:
        options["sinceTime"] = flags["since-time"]
    if flags["limit-bytes"]:
        options["limitBytes"] = flags["limit-bytes"]
    return options


async def _pods(session: Session, client: Client, flags: Parsed) -> list[Object]:
    if flags["selector"]:
        page = await client.list(PODS, namespace=session.namespace, label_selector=flags["selector"])
        if not page.items:
            print(f"No resources found in {session.namespace} namespace.", file=sys.stderr)
        return list(page.items)
    word = flags.args[0]
    if len(flags.args) > 1:
        if flags["container"]:
            raise UsageError("only one of -c or an inline [CONTAINER] arg is allowed")
        flags.values["container"] = flags.args[1]
    if "/" not in word:
        return [await client.get(PODS, word, namespace=session.namespace)]
    target = from_words([word], await session.mapper(), namespace=session.namespace)[0]
    if target.resource.gvr == PODS:
        return [await client.get(PODS, target.name, namespace=target.namespace)]
    return await _pods_of(client, target, every=flags["all-pods"])


async def _pods_of(client: Client, target: Target, *, every: bool) -> list[Object]:
    """All pods of a workload; or one, a ready one before others, the oldest first, as kubectl chooses."""
    owner = await client.get(target.resource.gvr, target.name, namespace=target.namespace)
    selector = (owner.get("spec") or {}).get("selector")
    if not selector:
        raise CliError(f'cannot get the logs from {target.resource.gvr.resource} "{target.name}": it selects no pods')
    parsed = selectors.from_label_selector(
        selector if "matchLabels" in selector or "matchExpressions" in selector else {"matchLabels": selector}
    )
    pods = list((await client.list(PODS, namespace=target.namespace, label_selector=str(parsed))).items)
    if not pods:
        raise CliError("timed out waiting for the condition: no pod matches the selector")
    pods.sort(key=lambda pod: (not _ready(pod), pod["metadata"]["creationTimestamp"]))
    if every:
        return pods
    if len(pods) > 1:
        print(f"Found {len(pods)} pods, using pod/{pods[0]['metadata']['name']}", file=sys.stderr)
    return pods[:1]


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _containers(pod: Mapping[str, Any], flags: Parsed) -> list[str]:
    spec = pod["spec"]
    names = [container["name"] for container in spec["containers"]]
    before = [container["name"] for container in spec.get("initContainers") or ()]
    if flags["all-containers"]:
        return [*before, *names]
    if flags["container"]:
        if flags["container"] not in (*names, *before):
            raise CliError(f"container {flags['container']} is not valid for pod {pod['metadata']['name']}")
        return [flags["container"]]
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container", names[0])
    if len(names) > 1 and not flags["selector"]:
        also = ", ".join([*names, *(f"{name} (init)" for name in before)])
        print(f'Defaulted container "{default}" out of: {also}', file=sys.stderr)
    return [default]


COMMAND = Command(
    name="logs",
    summary="Print the logs for a container in a pod or specified resource.",
    usage="logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER] [flags]",
    run=run,
    flags=(
        switch("follow", "Specify if the logs should be streamed.", short="f"),
        switch("previous", "If true, print the logs for the previous instance of the container.", short="p"),
        switch("timestamps", "Include timestamps on each line in the log output"),
        switch("all-pods", "Get logs from all pod(s) of a workload. Sets prefix to true."),
        switch("all-containers", "Get all containers' logs in the pod(s)."),
        switch("prefix", "Prefix each log line with the log source (pod name and container name)"),
        switch("ignore-errors", "If watching / following pod logs, allow for any errors that occur to be non-fatal"),
        Flag("container", "Print the logs of this container", short="c"),
        Flag("selector", "Selector (label query) to filter on", short="l"),
        Flag("since", "Only return logs newer than a relative duration.", kind=Kind.DURATION, default=0.0),
        Flag("since-time", "Only return logs after a specific date (RFC3339)."),
        Flag("tail", "Lines of recent log file to display. -1 shows all log lines.", kind=Kind.INT, default=-1),
        Flag("limit-bytes", "Maximum bytes of logs to return.", kind=Kind.INT, default=0),
        Flag("max-log-requests", "Maximum number of concurrent logs to follow.", kind=Kind.INT, default=5),
    ),
    examples="""
# Begin streaming the logs of a container in a pod
pilot logs -f -c ruby web-1

# The last 20 lines of each pod with a label
pilot logs --tail=20 -l app=nginx --prefix
""",
)
