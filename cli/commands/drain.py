"""`pilot drain`: cordon a node, then evict its pods, honouring disruption budgets, until they are gone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.command import Command
from cli.commands.cordon import mark, nodes
from cli.errors import CliError
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
    for node in await nodes(client, flags):
        name = node["metadata"]["name"]
        if node["spec"].get("unschedulable"):
            print(f"node/{name} already cordoned", flush=True)
        else:
            if mode != "client":
                await mark(client, name, unschedulable=True, dry_run=mode == "server")
            print(f"node/{name} cordoned", flush=True)
        pods = await _to_evict(client, name, flags)
        if mode == "none":
            try:
                async with asyncio.timeout(flags["timeout"] or None):
                    await asyncio.gather(*(_evict(client, pod, flags) for pod in pods))
            except TimeoutError:
                raise CliError(
                    f'unable to drain node "{name}" due to error: global timeout reached: {flags["timeout"]:g}s',
                    hint="The node stays cordoned: 'pilot uncordon' brings it back.",
                ) from None
        else:
            for pod in pods:
                print(f"evicting pod {pod['metadata']['namespace']}/{pod['metadata']['name']} ({mode} dry run)")
        print(f"node/{name} drained", flush=True)
    return 0


async def _to_evict(client: Client, node: str, flags: Parsed) -> list[Object]:
    """The pods that leave. Raises CliError, naming the flags, for those that a flag must release."""
    page = await client.list(PODS, field_selector=f"spec.nodeName={node}", label_selector=flags["pod-selector"])
    leaving: list[Object] = []
    refused: dict[str, list[str]] = {}
    ignored: list[str] = []
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
                ignored.append(shown)
                continue
        if owner is None and not finished and not flags["force"]:
            refused.setdefault("Pods that declare no controller (use --force to override)", []).append(shown)
            continue
        local = any("emptyDir" in volume for volume in pod["spec"].get("volumes") or ())
        if local and not finished and not flags["delete-emptydir-data"]:
            refused.setdefault("Pods with local storage (use --delete-emptydir-data to override)", []).append(shown)
            continue
        leaving.append(pod)
    if refused:
        reasons = "; ".join(f"cannot delete {why}: {', '.join(pods)}" for why, pods in sorted(refused.items()))
        raise CliError(
            f'unable to drain node "{node}" due to error: [{reasons}], continuing command...\n'
            f"There are pending nodes to be drained:\n {node}"
        )
    if ignored:
        print(f"Warning: ignoring DaemonSet-managed Pods: {', '.join(ignored)}", file=sys.stderr)
    return leaving


async def _exists(client: Client, name: str, namespace: str) -> bool:
    try:
        await client.get(DAEMON_SETS, name, namespace=namespace)
    except NotFound:
        return False
    return True


async def _evict(client: Client, pod: Object, flags: Parsed) -> None:
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
            print(
                f'error when evicting pods/"{name}" -n "{namespace}" (will retry after {RETRY_SECONDS:g}s): '
                f"{error.message}",
                file=sys.stderr,
            )
            await asyncio.sleep(RETRY_SECONDS)
        except Forbidden:
            # a namespace that ends takes its pods along
            return
        except ApiError as error:
            raise CliError(f'error when evicting pods/"{name}" -n "{namespace}": {error.message}') from None
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
