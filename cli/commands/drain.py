"""`pilot drain`: cordon a node, then evict its pods, honouring disruption budgets, until they are gone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.command import Command
from cli.commands.cordon import mark, nodes
from cli.errors import CliError, raise_any
from cli.flags import Flag, Kind, Parsed, switch
from cli.output import report
from machinery.client.api import Client, DeleteOptions, Object
from machinery.client.resources import DAEMON_SETS, PODS
from machinery.errors import ApiError, Forbidden, NotFound, TooManyRequests
from machinery.objects import owners

if TYPE_CHECKING:
    from cli.context import Session

RETRY_SECONDS = 5.0
MIRROR = "kubernetes.io/config.mirror"


async def run(session: Session, flags: Parsed) -> int:
    client = await session.client()
    mode = report.dry_run(flags)
    suffix = {"client": " (dry run)", "server": " (server dry run)"}.get(mode, "")
    chosen = await nodes(client, flags)
    for node in chosen:
        name = node["metadata"]["name"]
        if node["spec"].get("unschedulable"):
            print(f"node/{name} already cordoned{suffix}", flush=True)
            continue
        if mode != "client":
            await mark(client, name, unschedulable=True, dry_run=mode == "server")
        print(f"node/{name} cordoned{suffix}", flush=True)
    failures: list[CliError] = []
    for node in chosen:
        name = node["metadata"]["name"]
        try:
            await _drain(client, name, flags, suffix)
        except CliError as error:
            failures.append(error)
            continue
        print(f"node/{name} drained{suffix}", flush=True)
    raise_any(failures)
    return 0


async def _drain(client: Client, node: str, flags: Parsed, suffix: str) -> None:
    """Evict the pods of one node. Raises CliError for those that may not leave or did not."""
    pods = await _to_evict(client, node, flags)
    if suffix:
        for pod in pods:
            print(f"evicting pod {pod['metadata']['namespace']}/{pod['metadata']['name']}{suffix}")
        return
    deadline = asyncio.get_running_loop().time() + flags["timeout"] if flags["timeout"] else None
    ends = await asyncio.gather(*(_evict(client, pod, flags, deadline) for pod in pods))
    said = [end for end in ends if end]
    if said:
        raise CliError(_unable(node, said))


def _unable(node: str, reasons: Sequence[str]) -> str:
    listed = f"[{', '.join(reasons)}]" if len(reasons) > 1 else reasons[0]
    return (
        f'unable to drain node "{node}" due to error: {listed}, continuing command...\n'
        f"There are pending nodes to be drained:\n {node}\n" + "\n".join(reasons)
    )


async def _to_evict(client: Client, node: str, flags: Parsed) -> list[Object]:
    """The pods that leave. Raises CliError, naming the flags, for those that a flag must release."""
    page = await client.list(PODS, field_selector=f"spec.nodeName={node}", label_selector=flags["pod-selector"])
    leaving: list[Object] = []
    refused: dict[str, list[str]] = {}
    warnings: dict[str, list[str]] = {}
    for pod in page.items:
        metadata = pod["metadata"]
        shown = f"{metadata['namespace']}/{metadata['name']}"
        if MIRROR in (metadata.get("annotations") or {}):
            continue
        finished = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        owner = owners.controller_of(pod)
        if owner is not None and owner["kind"] == "DaemonSet" and not finished:
            if not flags["ignore-daemonsets"]:
                refused.setdefault("DaemonSet-managed Pods (use --ignore-daemonsets to ignore)", []).append(shown)
                continue
            if await _exists(client, owner["name"], metadata["namespace"]):
                warnings.setdefault("ignoring DaemonSet-managed Pods", []).append(shown)
                continue
        warning = ""
        if any("emptyDir" in volume for volume in pod["spec"].get("volumes") or ()) and not finished:
            if not flags["delete-emptydir-data"]:
                refused.setdefault("Pods with local storage (use --delete-emptydir-data to override)", []).append(shown)
                continue
            warning = "deleting Pods with local storage"
        if owner is None and not finished:
            if not flags["force"]:
                refused.setdefault("Pods that declare no controller (use --force to override)", []).append(shown)
                continue
            warning = "deleting Pods that declare no controller"
        if warning:
            warnings.setdefault(warning, []).append(shown)
        leaving.append(pod)
    if refused:
        raise CliError(
            _unable(node, [f"cannot delete {why}: {', '.join(pods)}" for why, pods in sorted(refused.items())])
        )
    if warnings:
        said = "; ".join(f"{why}: {', '.join(pods)}" for why, pods in sorted(warnings.items(), reverse=True))
        print(f"Warning: {said}", file=sys.stderr)
    return leaving


async def _exists(client: Client, name: str, namespace: str) -> bool:
    try:
        await client.get(DAEMON_SETS, name, namespace=namespace)
    except NotFound:
        return False
    return True


async def _evict(client: Client, pod: Object, flags: Parsed, deadline: float | None) -> str:
    """Why the pod did not leave, or "" when it did. deadline: on the event loop's clock."""
    metadata = pod["metadata"]
    about = f'error when evicting pods/"{metadata["name"]}" -n "{metadata["namespace"]}"'
    try:
        async with asyncio.timeout_at(deadline):
            await _until_gone(client, pod, flags, about)
    except TimeoutError:
        return f"{about}: global timeout reached: {flags['timeout']:g}s"
    except ApiError as error:
        return f"{about}: {error.message}"
    return ""


async def _until_gone(client: Client, pod: Object, flags: Parsed, about: str) -> None:
    metadata = pod["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    print(f"evicting pod {namespace}/{name}", flush=True)
    grace = flags["grace-period"] if flags["grace-period"] >= 0 else None
    options = DeleteOptions(grace_period_seconds=grace)
    while True:
        try:
            if flags["disable-eviction"]:
                await client.delete(PODS, name, namespace=namespace, options=options)
            else:
                eviction = {
                    "apiVersion": "policy/v1",
                    "kind": "Eviction",
                    "metadata": {"name": name, "namespace": namespace},
                    "deleteOptions": options.document(),
                }
                await client.create(PODS, eviction, namespace=namespace, name=name, subresource="eviction")
            break
        except NotFound:
            return
        except TooManyRequests as error:
            print(f"{about} (will retry after {RETRY_SECONDS:g}s): {error.message}", file=sys.stderr)
            await asyncio.sleep(RETRY_SECONDS)
        except Forbidden as error:
            if not any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ()):
                raise
            # a namespace that ends takes its pods along
            break
    await _gone(client, pod)
    print(f"pod/{name} evicted", flush=True)


async def _gone(client: Client, pod: Object) -> None:
    from cli.commands.wait import Condition, until
    from cli.resources import Resource
    from cli.targets import Target

    metadata = pod["metadata"]
    target = Target(Resource(PODS, "Pod", "pod", namespaced=True), metadata["namespace"], metadata["name"])
    uid = metadata["uid"]
    await until(client, target, Condition(lambda obj: obj is None or obj["metadata"]["uid"] != uid, absent=True))


def _flags() -> Sequence[Flag]:
    return (
        Flag("selector", "Selector (label query) to filter nodes on", short="l"),
        Flag("pod-selector", "Label selector to filter pods on the node"),
        switch("ignore-daemonsets", "Ignore DaemonSet-managed pods."),
        switch("delete-emptydir-data", "Continue even if there are pods using emptyDir (local data is deleted)."),
        switch("force", "Continue even if there are pods that do not declare a controller."),
        switch("disable-eviction", "Force drain to use delete, even if eviction is supported."),
        Flag(
            "grace-period",
            "Seconds each pod has to terminate gracefully; negative: its own.",
            kind=Kind.INT,
            default=-1,
        ),
        Flag("timeout", "How long to wait before giving up, zero means infinite", kind=Kind.DURATION, default=0.0),
        report.DRY_RUN,
    )


COMMAND = Command(
    name="drain",
    summary="Drain node in preparation for maintenance.",
    usage="drain NODE [flags]",
    run=run,
    flags=_flags(),
    examples="# Move what can move\npilot drain foo --ignore-daemonsets --delete-emptydir-data",
)
