"""`pilot rollout`: status, history, undo, restart, pause and resume of Deployments, StatefulSets and DaemonSets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from cli.command import Command
from cli.describe.pods import template
from cli.describe.text import Text
from cli.errors import CliError, UsageError
from cli.flags import Flag, Kind, Parsed, switch
from cli.output import report
from cli.targets import FILE_FLAGS, Target, resolve
from machinery.client.api import Client, Object, PatchType
from machinery.client.resources import CONTROLLER_REVISIONS, REPLICA_SETS
from machinery.errors import Gone, NotFound
from machinery.objects import owners, selectors, timefmt

if TYPE_CHECKING:
    from cli.context import Session

KINDS = ("Deployment", "StatefulSet", "DaemonSet")
REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
NOT_COPIED = ("pod-template-hash", "controller-revision-hash")


async def _targets(session: Session, flags: Parsed, verb: str) -> list[Target]:
    if not flags.args and not flags["filename"]:
        raise UsageError("required resource not specified")
    targets = await resolve(session, flags, verb=verb)
    for target in targets:
        if target.resource.kind not in KINDS:
            if verb in ("status", "history"):
                raise CliError(f"no {verb} viewer has been implemented for {target.resource.kind}")
            raise CliError(f'{target.resource.gvr.group_resource} "{target.name}" {verb} is not supported')
    return targets


async def status(session: Session, flags: Parsed) -> int:
    client = await session.client()
    for target in await _targets(session, flags, "status"):
        try:
            async with asyncio.timeout(flags["timeout"] or None):
                await _follow(client, target, flags)
        except TimeoutError:
            raise CliError("timed out waiting for the condition") from None
    return 0


async def _follow(client: Client, target: Target, flags: Parsed) -> None:
    said = ""
    selector = f"metadata.name={target.name}"
    while True:
        page = await client.list(target.resource.gvr, namespace=target.namespace, field_selector=selector)
        if not page.items:
            await client.get(target.resource.gvr, target.name, namespace=target.namespace)
        for obj in page.items:
            message, done = progress(target.resource.kind, obj, flags["revision"])
            if message != said:
                print(message, flush=True)
                said = message
            if done or not flags["watch"]:
                return
        try:
            async for event in client.watch(
                target.resource.gvr,
                namespace=target.namespace,
                field_selector=selector,
                resource_version=page.resource_version,
            ):
                if event.type == "DELETED":
                    raise CliError("object has been deleted")
                message, done = progress(target.resource.kind, event.object, flags["revision"])
                if message != said:
                    print(message, flush=True)
                    said = message
                if done:
                    return
        except Gone:
            continue


def progress(kind: str, obj: Mapping[str, Any], revision: int = 0) -> tuple[str, bool]:
    """(what kubectl says of a rollout, whether it is over). Raises CliError when it cannot end well."""
    spec, status, name = obj["spec"], obj.get("status") or {}, obj["metadata"]["name"]
    observed = status.get("observedGeneration", 0) >= obj["metadata"].get("generation", 0)
    updated, replicas = status.get("updatedReplicas", 0), spec.get("replicas", 1)
    match kind:
        case "Deployment":
            current = (obj["metadata"].get("annotations") or {}).get(REVISION, "0")
            if revision and int(current) != revision:
                raise CliError(f"desired revision ({revision}) is different from the running revision ({current})")
            if not observed:
                return "Waiting for deployment spec update to be observed...", False
            for condition in status.get("conditions") or ():
                if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
                    raise CliError(f'deployment "{name}" exceeded its progress deadline')
            waiting = f'Waiting for deployment "{name}" rollout to finish: '
            if updated < replicas:
                return f"{waiting}{updated} out of {replicas} new replicas have been updated...", False
            if status.get("replicas", 0) > updated:
                old = status["replicas"] - updated
                return f"{waiting}{old} old replicas are pending termination...", False
            available = status.get("availableReplicas", 0)
            if available < updated:
                return f"{waiting}{available} of {updated} updated replicas are available...", False
            return f'deployment "{name}" successfully rolled out', True
        case "DaemonSet":
            if (spec.get("updateStrategy") or {}).get("type") != "RollingUpdate":
                raise CliError("rollout status is only available for RollingUpdate strategy type")
            if not observed:
                return "Waiting for daemon set spec update to be observed...", False
            desired = status.get("desiredNumberScheduled", 0)
            updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
            waiting = f'Waiting for daemon set "{name}" rollout to finish: '
            if updated < desired:
                return f"{waiting}{updated} out of {desired} new pods have been updated...", False
            if available < desired:
                return f"{waiting}{available} of {desired} updated pods are available...", False
            return f'daemon set "{name}" successfully rolled out', True
        case _:
            strategy = spec.get("updateStrategy") or {}
            if strategy.get("type") != "RollingUpdate":
                raise CliError("rollout status is only available for RollingUpdate strategy type")
            if not status.get("observedGeneration") or not observed:
                return "Waiting for statefulset spec update to be observed...", False
            ready = status.get("readyReplicas", 0)
            if ready < replicas:
                return f"Waiting for {replicas - ready} pods to be ready...", False
            partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
            if partition:
                if updated < replicas - partition:
                    wanted = replicas - partition
                    waiting = "Waiting for partitioned roll out to finish"
                    return f"{waiting}: {updated} out of {wanted} new pods have been updated...", False
                return f"partitioned roll out complete: {updated} new pods have been updated...", True
            if status.get("updateRevision") != status.get("currentRevision"):
                waiting = f"waiting for statefulset rolling update to complete {updated} pods"
                return f"{waiting} at revision {status.get('updateRevision')}...", False
            current = status.get("currentReplicas", 0)
            return (
                f"statefulset rolling update complete {current} pods at revision {status['currentRevision']}...",
                True,
            )


async def history(session: Session, flags: Parsed) -> int:
    client = await session.client()
    for target in await _targets(session, flags, "history"):
        revisions = await _revisions(client, target)
        if flags["revision"]:
            found = revisions.get(flags["revision"])
            if found is None:
                raise CliError(f"unable to find the specified revision {flags['revision']}")
            print(f"{target.shown} with revision #{flags['revision']}")
            text = Text()
            template(text, (found["spec"] if "spec" in found else found["data"]["spec"])["template"])
            print(text.render())
            continue
        print(f"{target.shown} ")
        rows = [
            [str(number), (obj["metadata"].get("annotations") or {}).get(CHANGE_CAUSE) or "<none>"]
            for number, obj in sorted(revisions.items())
        ]
        for number, cause in [["REVISION", "CHANGE-CAUSE"], *rows]:
            print(f"{number:<10}{cause}")
        print(flush=True)
    return 0


async def undo(session: Session, flags: Parsed) -> int:
    client = await session.client()
    for target in await _targets(session, flags, "undo"):
        obj = await client.get(target.resource.gvr, target.name, namespace=target.namespace)
        if target.resource.kind == "Deployment" and obj["spec"].get("paused"):
            raise CliError(
                f"you cannot rollback a paused deployment; resume it first with 'pilot rollout resume {target.shown}' "
                "and try again"
            )
        revisions = await _revisions(client, target)
        wanted = flags["to-revision"]
        if not wanted:
            before = sorted(revisions)[:-1]
            if not before:
                raise CliError("no rollout history found for " + f'{target.resource.singular} "{target.name}"')
            wanted = before[-1]
        if wanted not in revisions:
            raise CliError(f"unable to find specified revision {wanted} in history")
        restored = _template(revisions[wanted])
        if _same(restored, obj["spec"]["template"]):
            report.done(
                flags, target.resource, obj, f"skipped rollback (current template already matches revision {wanted})"
            )
            continue
        mode = report.dry_run(flags)
        if mode != "client":
            patch: list[Object] = [{"op": "replace", "path": "/spec/template", "value": restored}]
            await client.patch(
                target.resource.gvr,
                target.name,
                patch,
                PatchType.JSON,
                namespace=target.namespace,
                dry_run=mode == "server",
                field_manager="kubectl-rollout",
            )
        report.done(flags, target.resource, obj, "rolled back")
    return 0


async def restart(session: Session, flags: Parsed) -> int:
    client = await session.client()
    for target in await _targets(session, flags, "restarting"):
        obj = await client.get(target.resource.gvr, target.name, namespace=target.namespace)
        if obj["spec"].get("paused"):
            about = f'{target.resource.gvr.group_resource} "{target.name}"'
            raise CliError(f"{about} can't restart paused deployment (run rollout resume first)")
        now = timefmt.format(session.clock.now())
        annotations = {"metadata": {"annotations": {RESTARTED: now}}}
        await client.patch(
            target.resource.gvr,
            target.name,
            {"spec": {"template": annotations}},
            PatchType.STRATEGIC,
            namespace=target.namespace,
            field_manager="kubectl-rollout",
        )
        report.done(flags, target.resource, obj, "restarted")
    return 0


async def pause(session: Session, flags: Parsed, *, paused: bool) -> int:
    client = await session.client()
    word = "paused" if paused else "resumed"
    for target in await _targets(session, flags, "pausing" if paused else "resuming"):
        if target.resource.kind != "Deployment":
            doing = "pausing" if paused else "resuming"
            raise CliError(f'{target.resource.gvr.group_resource} "{target.name}" {doing} is not supported')
        obj = await client.get(target.resource.gvr, target.name, namespace=target.namespace)
        if bool(obj["spec"].get("paused")) == paused:
            raise CliError(
                f'{target.resource.gvr.group_resource} "{target.name}" is {"already" if paused else "not"} paused'
            )
        await client.patch(
            target.resource.gvr,
            target.name,
            {"spec": {"paused": paused or None}},
            PatchType.STRATEGIC,
            namespace=target.namespace,
            field_manager="kubectl-rollout",
        )
        report.done(flags, target.resource, obj, word)
    return 0


async def _revisions(client: Client, target: Target) -> dict[int, Object]:
    """Revision number -> the ReplicaSet or ControllerRevision that holds it."""
    obj = await client.get(target.resource.gvr, target.name, namespace=target.namespace)
    selector = str(selectors.from_label_selector(obj["spec"]["selector"]))
    deployment = target.resource.kind == "Deployment"
    resource = REPLICA_SETS if deployment else CONTROLLER_REVISIONS
    try:
        page = await client.list(resource, namespace=target.namespace, label_selector=selector)
    except NotFound:
        return {}
    uid = obj["metadata"]["uid"]
    found = {}
    for item in page.items:
        owner = owners.controller_of(item)
        if owner is None or owner["uid"] != uid:
            continue
        number = int((item["metadata"].get("annotations") or {}).get(REVISION, 0)) if deployment else item["revision"]
        if number:
            found[number] = item
    return found


def _template(revision: Object) -> dict[str, Any]:
    spec = revision["spec"] if "spec" in revision else revision["data"]["spec"]
    template = {key: value for key, value in spec["template"].items() if key != "$patch"}
    metadata = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in NOT_COPIED}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _same(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    def bare(template: Mapping[str, Any]) -> Any:
        metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value is not None}
        return {**template, "metadata": metadata}

    return bool(bare(left) == bare(right))


def _sub(name: str, summary: str, run: Any, *flags: Flag) -> Command:
    return Command(name, summary, f"rollout {name} (TYPE NAME | TYPE/NAME) [flags]", run, (*FILE_FLAGS, *flags))


COMMAND = Command(
    name="rollout",
    summary="Manage the rollout of one or many resources.",
    usage="rollout SUBCOMMAND",
    subcommands={
        "status": _sub(
            "status",
            "Show the status of the rollout",
            status,
            switch("watch", "Watch the status of the rollout until it's done.", short="w", default=True),
            Flag("timeout", "How long to wait before ending; zero means never.", kind=Kind.DURATION, default=0.0),
            Flag("revision", "Pin to a specific revision for showing its status.", kind=Kind.INT, default=0),
        ),
        "history": _sub(
            "history",
            "View rollout history",
            history,
            Flag("revision", "See the details, including podTemplate of the revision", kind=Kind.INT, default=0),
        ),
        "undo": _sub(
            "undo",
            "Undo a previous rollout",
            undo,
            Flag("to-revision", "The revision to rollback to. 0: the last one.", kind=Kind.INT, default=0),
            report.DRY_RUN,
        ),
        "restart": _sub("restart", "Restart a resource", restart),
        "pause": _sub("pause", "Mark the provided resource as paused", partial(pause, paused=True)),
        "resume": _sub("resume", "Resume a paused resource", partial(pause, paused=False)),
    },
    examples="# Follow a rollout, and go back\npilot rollout status deployment/web\npilot rollout undo deployment/web",
)
