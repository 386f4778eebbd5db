"""`pilot apply --prune`: delete what an earlier apply made, the selector matches and the files no longer have.

The kinds that are looked at, and where, are kubectl's: those below in every namespace that the files touch, and those
without a namespace unless -n says that one namespace is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.errors import CliError, UsageError
from cli.flags import Parsed
from cli.output import report
from cli.resources import Resource
from cli.targets import Target
from machinery.client.api import DeleteOptions
from machinery.objects.gvk import GVK

if TYPE_CHECKING:
    from cli.context import Session

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
KINDS = (
    *(GVK("", "v1", kind) for kind in ("ConfigMap", "Endpoints", "Namespace", "PersistentVolumeClaim",
                                       "PersistentVolume", "Pod", "ReplicationController", "Secret", "Service")),
    *(GVK("batch", "v1", kind) for kind in ("Job", "CronJob")),
    GVK("networking.k8s.io", "v1", "Ingress"),
    *(GVK("apps", "v1", kind) for kind in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")),
)  # fmt: skip


def check(flags: Parsed) -> None:
    """Refuse, before anything is applied, what does not say which objects are meant. Raises UsageError."""
    if flags["all"] and flags["selector"]:
        raise UsageError("cannot set --all and --selector at the same time")
    if not flags["selector"] and not flags["all"]:
        raise UsageError(
            "all resources selected for prune without explicitly passing --all. To prune all resources, pass the "
            "--all flag. If you did not mean to prune all resources, specify a label selector"
        )
    _kinds(flags)


async def prune(session: Session, applied: Sequence[Target], flags: Parsed) -> None:
    """Delete what is left over, and say so. `applied` is what the files have."""
    client, mapper = await session.client(), await session.mapper()
    kept = {(target.resource.kind, target.namespace, target.name) for target in applied}
    namespaces = sorted({target.namespace for target in applied if target.namespace})
    resources = [resource for kind in _kinds(flags) if (resource := _served(mapper.resources, kind))]
    places = [(resource, namespace) for resource in resources if resource.namespaced for namespace in namespaces]
    if not session.namespace_given:
        places += [(resource, "") for resource in resources if not resource.namespaced]
    mode = report.dry_run(flags)
    options = DeleteOptions(propagation_policy="Background", dry_run=mode == "server")
    for resource, namespace in places:
        page = await client.list(resource.gvr, namespace=namespace, label_selector=flags["selector"])
        for obj in page.items:
            metadata = obj["metadata"]
            if (resource.kind, namespace, metadata["name"]) in kept or metadata.get("deletionTimestamp"):
                continue
            if LAST_APPLIED not in (metadata.get("annotations") or {}):
                continue
            if mode != "client":
                await client.delete(resource.gvr, metadata["name"], namespace=namespace, options=options)
            report.done(flags, resource, obj, "pruned")


def _served(resources: Sequence[Resource], kind: GVK) -> Resource | None:
    return next((resource for resource in resources if resource.gvk == kind), None)


def _kinds(flags: Parsed) -> Sequence[GVK]:
    if not flags["prune-allowlist"]:
        return KINDS
    kinds = []
    for text in flags["prune-allowlist"]:
        parts = text.split("/")
        if len(parts) != 3 or not all(parts):
            raise CliError(f"invalid GroupVersionKind format: {text}, please follow <group/version/kind>")
        kinds.append(GVK("" if parts[0] == "core" else parts[0], parts[1], parts[2]))
    return kinds
