"""`pilot run` and `pilot expose`: a pod from an image, a service from what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.command import Command
from cli.errors import UsageError
from cli.flags import Flag, Kind, Parsed, switch
from cli.generators import exposing
from cli.output import printer, report
from cli.targets import FILE_FLAGS, resolve
from machinery.client.api import Object
from machinery.client.resources import PODS, SERVICES
from machinery.objects.gvk import GVR

if TYPE_CHECKING:
    from cli.context import Session


async def run(session: Session, flags: Parsed) -> int:
    if not flags.args:
        raise UsageError("NAME is required for run")
    # words after the name are the container's, with or without a `--`
    flags.rest = [*flags.args[1:], *flags.rest]
    await _create(session, flags, PODS, exposing.pod(flags.args[0], flags), session.namespace, "created")
    return 0


async def expose(session: Session, flags: Parsed) -> int:
    # --selector is the service's, and chooses no objects
    targets = await resolve(session, Parsed({**flags.values, "selector": ""}, flags.args), verb="expose")
    client = await session.client()
    for target in targets:
        obj = await client.get(target.resource.gvr, target.name, namespace=target.namespace)
        await _create(session, flags, SERVICES, exposing.service(obj, flags), target.namespace, "exposed")
    return 0


async def _create(session: Session, flags: Parsed, gvr: GVR, obj: Object, namespace: str, done: str) -> None:
    mode = report.dry_run(flags)
    if session.namespace_given:
        obj["metadata"]["namespace"] = namespace
    if mode != "client":
        manager = flags["field-manager"] or f"kubectl-{'run' if gvr == PODS else 'expose'}"
        client = await session.client()
        obj = await client.create(gvr, obj, namespace=namespace, dry_run=mode == "server", field_manager=manager)
    report.done(flags, (await session.mapper()).find(gvr.resource), obj, done)


_COMMON = (report.DRY_RUN, report.FIELD_MANAGER, printer.OUTPUT_FLAG)
_LABELS = Flag("labels", "Comma separated labels to apply.", short="l", kind=Kind.LIST, default=[])

COMMANDS = {
    "run": Command(
        name="run",
        summary="Create and run a particular image in a pod.",
        usage="run NAME --image=image [--env=key=value] [--port=port] [-- COMMAND] [args...] [flags]",
        run=run,
        flags=(
            Flag("image", "The image for the container to run."),
            Flag("env", "Environment variables to set in the container.", kind=Kind.ARRAY, default=[]),
            Flag("port", "The port that this container exposes.", kind=Kind.INT, default=0),
            Flag("restart", "The restart policy for this Pod. Legal values [Always, OnFailure, Never]."),
            switch("command", "If true, the extra arguments are the container's command, not its args."),
            _LABELS,
            *_COMMON,
        ),
        passes_on=True,
        examples="# A pod that sleeps\npilot run sleeper --image=busybox --command -- sleep 3600",
    ),
    "expose": Command(
        name="expose",
        summary="Take a pod, service, deployment, replica set or replication controller and expose it as a service.",
        usage="expose (-f FILENAME | TYPE NAME) [--port=port] [--target-port=number-or-name] [flags]",
        run=expose,
        flags=(
            *FILE_FLAGS,
            Flag("port", "The ports that the service should serve on."),
            Flag("target-port", "Name or number of the port on the container that traffic goes to."),
            Flag("name", "The name for the newly created object."),
            Flag("type", "Type for this service: ClusterIP, NodePort, LoadBalancer, or ExternalName."),
            Flag("protocol", "The network protocol for the service to be created. Default is 'TCP'."),
            Flag("selector", "A label selector to use for this service. Only equality-based ones are supported."),
            Flag("cluster-ip", "ClusterIP to be assigned to the service; 'None' makes a headless service."),
            Flag("external-ip", "Additional external IP address to set for the service."),
            Flag("session-affinity", "The session affinity of the service: 'None', 'ClientIP'."),
            _LABELS,
            *_COMMON,
        ),
        examples="# A service for a deployment\npilot expose deployment web --port=80 --target-port=8080",
    ),
}
