"""`pilot join HOST:PORT --token T --discovery-token-ca-cert-hash H`: this host becomes a node."""

from __future__ import annotations

import os
import pathlib
import socket
import sys
from typing import TYPE_CHECKING

from cli import foreground
from cli.command import Command
from cli.context import say
from cli.errors import CliError, UsageError
from cli.flags import Flag, Kind, Parsed, switch

if TYPE_CHECKING:
    from cli.context import Session
    from pilothouse.instance import Claim
    from pilothouse.join.node import NodeSettings

START_SECONDS = 120.0
DEFAULT_RUNTIME = "unix:///run/containerd/containerd.sock"


async def run(session: Session, flags: Parsed) -> int:
    from machinery.errors import ApiError
    from pilothouse.init.settings import InitError
    from pilothouse.instance import Claim, InstanceError, find
    from pilothouse.join import node

    foreground.take_secrets(flags)
    settings = _settings(flags)

    async def work() -> int:
        node.check(settings)
        claim = Claim(settings.name, flag="--node-name")
        if flags["detach"]:
            await foreground.detach(claim, ["join", settings.endpoint], flags, say=say)
            if find(claim.name) is None:
                raise CliError("the node ended right after it was ready", hint=f"Its log: {claim.log}")
            return 0
        with claim:
            return await _run(claim, settings, session)

    return await foreground.refusing(work, InitError, InstanceError, ApiError, OSError)


async def _run(claim: Claim, settings: NodeSettings, session: Session) -> int:
    from actors import System
    from pilothouse.init.processes import Told
    from pilothouse.instance import Record
    from pilothouse.join import node

    running = foreground.Foreground()

    async def bootstrap() -> None:
        await node.bootstrap(settings, clock=session.clock, say=running.say)

    if not await running.unless_stopped(bootstrap()):
        return 130
    tree = node.spec(settings, say=running.say)
    system = System(tree, clock=session.clock, name="node", report=Told(running.say))
    try:
        if not await running.unless_stopped(system.start(), timeout=START_SECONDS):
            return 130
        claim.publish(
            Record(
                command="join",
                name=claim.name,
                pid=os.getpid(),
                server=settings.endpoint,
                grpc="",
                kubeconfig=str(settings.kubeconfig),
                nodes=(settings.name,),
                data_dir=str(settings.data_dir),
                log=str(claim.log),
            )
        )
        _introduce(settings, running.say)
        running.ready()
        await running.unless_stopped(system.wait())
        running.say("Stopping ...")
        return 0
    except TimeoutError:
        raise CliError(
            f"the node was not registered after {START_SECONDS:g} s", hint=f"Its agent's log: {settings.log}"
        ) from None
    finally:
        await system.stop()


def _introduce(settings: NodeSettings, say: foreground.Say) -> None:
    say(f"\nThis host has joined the cluster as node {settings.name}.")
    say("On the control plane:\n\n  pilot get nodes\n")


def _settings(flags: Parsed) -> NodeSettings:
    from pilothouse.join.node import NodeSettings

    if len(flags.args) != 1:
        raise UsageError(
            "exactly one HOST:PORT of the API server is needed: the control plane's 'pilot init' prints it"
        )
    host, colon, port = flags.args[0].rpartition(":")
    if not colon or not host or not port.isdigit():
        raise UsageError(f"{flags.args[0]!r} is not HOST:PORT")
    name = (flags["node-name"] or socket.gethostname()).strip().lower()
    runtime = flags["runtime"]
    if runtime != "fake" and not runtime.startswith("unix:"):
        runtime = f"unix://{pathlib.Path(runtime).absolute()}"
    if runtime != "fake" and not pathlib.Path(runtime.removeprefix("unix://").removeprefix("unix:")).exists():
        raise CliError(
            f"--runtime: there is no socket {runtime.removeprefix('unix://')}",
            hint="Start containerd first, or use '--runtime fake'.",
        )
    return NodeSettings(
        endpoint=flags.args[0],
        name=name,
        token=flags["token"],
        hashes=tuple(flags["discovery-token-ca-cert-hash"]),
        unsafe=flags["discovery-token-unsafe-skip-ca-verification"],
        runtime=runtime,
        config_dir=pathlib.Path(flags["config-dir"]).absolute(),
        data_dir=pathlib.Path(flags["data-dir"]).absolute(),
        node_ip=flags["node-ip"],
        labels=flags["node-labels"],
        discovery_timeout=flags["discovery-timeout"],
        python=sys.executable,
    )


COMMAND = Command(
    name="join",
    summary="Make this host a node of a cluster: prove who the cluster is, get a certificate, run the node agent.",
    usage="join HOST:PORT --token TOKEN --discovery-token-ca-cert-hash sha256:HASH [flags]",
    run=run,
    flags=(
        Flag("token", "The bootstrap token"),
        Flag(
            "discovery-token-ca-cert-hash",
            "Hash of the authority's public key (sha256:...); may be repeated",
            kind=Kind.LIST,
            default=[],
        ),
        switch("discovery-token-unsafe-skip-ca-verification", "Trust whatever authority answers"),
        Flag("discovery-timeout", "How long to wait for the cluster's answer", kind=Kind.DURATION, default=60.0),
        Flag("node-name", "Name of the node; else the host's name"),
        Flag("runtime", "'fake', or the CRI v1 socket of a container runtime", default=DEFAULT_RUNTIME),
        Flag("config-dir", "Where the node's certificate and kubeconfig go", default="/etc/pilothouse/node"),
        Flag("data-dir", "Where volumes and logs go", default="/var/lib/pilothouse/node"),
        Flag("node-ip", "Address of the node; else that of the default route"),
        Flag("node-labels", "Labels to register with: KEY=VALUE,..."),
        foreground.DETACH,
    ),
    examples="""
# A node on this host's containerd
pilot join 10.0.0.1:6443 --token abcdef.0123456789abcdef --discovery-token-ca-cert-hash sha256:...

# A node that only pretends to run containers
pilot join 10.0.0.1:6443 --runtime fake --token ... --discovery-token-ca-cert-hash sha256:...
""",
)
