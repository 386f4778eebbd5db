"""`pilot init`: a control plane on this host, as processes over mutual TLS; its phases can be run one by one."""

from __future__ import annotations

import pathlib
from functools import partial
from typing import TYPE_CHECKING

from cli import foreground
from cli.command import Command
from cli.context import say
from cli.errors import CliError, UsageError
from cli.flags import Flag, Kind, Parsed

if TYPE_CHECKING:
    from cli.context import Session
    from machinery.client.api import Client
    from machinery.rpc.api import Channel
    from pilothouse.init.settings import InitSettings
    from pilothouse.instance import Claim, Record

START_SECONDS = 120.0
FILE_PHASES = ("certs", "kubeconfig", "config")
PHASES = ("preflight", *FILE_PHASES, "control-plane", "bootstrap-token")


async def run(session: Session, flags: Parsed, *, phases: tuple[str, ...] = PHASES) -> int:
    from machinery.client.kubeconfig import KubeConfigError
    from machinery.errors import ApiError
    from pilothouse.init import existing, preflight, validation
    from pilothouse.init.settings import InitError
    from pilothouse.instance import Claim, InstanceError, find

    if flags.args:
        raise UsageError(f"init takes no arguments, got {' '.join(flags.args)}")
    foreground.take_secrets(flags)
    told = _settings(flags)

    async def work() -> int:
        settings = existing.settle(told, given=flags.given)
        validation.check(settings)
        if "control-plane" not in phases:
            if "preflight" in phases:
                await preflight.run(settings, clock=session.clock)
            await _files(settings, phases, session, print)
            if "bootstrap-token" in phases:
                await _bootstrap(settings, print)
            return 0
        claim = Claim(settings.cluster_name)
        if flags.values.get("detach"):
            await foreground.detach(claim, ["init"], flags, say=say)
            record = find(claim.name)
            if record is None:
                raise CliError("the control plane ended right after it was ready", hint=f"Its log: {claim.log}")
            return 0
        with claim:
            return await _run(claim, settings, session, phases)

    return await foreground.refusing(work, InitError, InstanceError, KubeConfigError, ApiError, OSError)


async def _run(claim: Claim, settings: InitSettings, session: Session, phases: tuple[str, ...]) -> int:
    from actors import System
    from pilothouse.init import control_plane, preflight
    from pilothouse.init.processes import Told

    running = foreground.Foreground()
    if not await running.unless_stopped(preflight.run(settings, clock=session.clock)):
        return 130
    await _files(settings, phases, session, running.say)
    tree = control_plane.spec(settings, say=running.say)
    system = System(tree, clock=session.clock, name="control-plane", report=Told(running.say))
    try:
        if not await running.unless_stopped(system.start(), timeout=START_SECONDS):
            return 130
        if "bootstrap-token" in phases:
            await running.unless_stopped(_bootstrap(settings, running.say))
        claim.publish(_record(claim, settings))
        await _introduce(settings, running.say)
        running.ready()
        await running.unless_stopped(system.wait())
        running.say("Stopping ...")
        return 0
    except TimeoutError:
        raise CliError(
            f"not ready after {START_SECONDS:g} s", hint=f"The components' logs: {settings.data_dir / 'log'}"
        ) from None
    finally:
        await system.stop()


async def _files(settings: InitSettings, phases: tuple[str, ...], session: Session, say: foreground.Say) -> None:
    from pilothouse.init import certs, components, kubeconfigs

    if "certs" in phases:
        certs.run(settings, now=session.clock.now(), say=say)
    if "kubeconfig" in phases:
        kubeconfigs.run(settings, say=say)
    if "config" in phases:
        components.run(settings, say=say)


async def _bootstrap(settings: InitSettings, say: foreground.Say) -> None:
    """A token and the public description, at the first start or when a token is named."""
    from actors import SystemClock
    from machinery.client.resources import CONFIG_MAPS
    from machinery.errors import NotFound
    from pilothouse.init import bootstrap

    client, channel = admin(settings)
    try:
        try:
            await client.get(CONFIG_MAPS, bootstrap.CLUSTER_INFO, namespace=bootstrap.PUBLIC)
            first = False
        except NotFound:
            first = True
        if first or settings.token:
            await bootstrap.run(client, settings, now=SystemClock().now(), say=say)
    finally:
        await channel.close()


async def _introduce(settings: InitSettings, say: foreground.Say) -> None:
    from actors import SystemClock
    from pilothouse.init import tokens
    from pilothouse.join.command import join_command

    client, channel = admin(settings)
    try:
        now = SystemClock().now()
        known = [token for token in await tokens.listed(client) if token.expires is None or token.expires > now]
    finally:
        await channel.close()
    config = settings.kubeconfig("admin")
    say(f"\nYour control plane is up at {settings.server}\n")
    say(f"To use it:\n\n  export KUBECONFIG={config}\n  pilot get namespaces\n")
    if known:
        say(f"To make another host a node of it, run there as root:\n\n  {join_command(settings, known[0].text)}\n")
    else:
        say(f"To let hosts join:\n\n  pilot token create --print-join-command --kubeconfig {config}\n")


def admin(settings: InitSettings) -> tuple[Client, Channel]:
    """A client as the administrator. Raises KubeConfigError before phase `kubeconfig`."""
    from machinery.client import kubeconfig
    from machinery.client.dial import dial
    from machinery.client.grpc import ApiClient
    from machinery.client.target import target

    channel = dial(target(kubeconfig.load(settings.kubeconfig("admin"))))
    return ApiClient(channel, user_agent="pilot", timeout=30.0), channel


def _record(claim: Claim, settings: InitSettings) -> Record:
    import os

    from pilothouse.instance import Record

    return Record(
        command="init",
        name=claim.name,
        pid=os.getpid(),
        server=settings.server,
        grpc=f"{settings.address}:{settings.grpc_port}",
        kubeconfig=str(settings.kubeconfig("admin")),
        nodes=(),
        data_dir=str(settings.data_dir),
        log=str(claim.log),
    )


def _settings(flags: Parsed) -> InitSettings:
    from pilothouse.init.settings import InitSettings

    if "etcd-servers" in flags.given and not flags["etcd-servers"]:
        raise UsageError("--etcd-servers: names no etcd, it is empty; leave it out for our own store")
    for port in ("apiserver-bind-port", "grpc-port", "grpc-token-port", "etcd-port", "units-port"):
        if not 0 < flags[port] < 65536:
            raise UsageError(f"--{port} must be between 1 and 65535, not {flags[port]}")
    return InitSettings(
        config_dir=pathlib.Path(flags["config-dir"]).absolute(),
        data_dir=pathlib.Path(flags["data-dir"]).absolute(),
        advertise_address=flags["apiserver-advertise-address"],
        bind_port=flags["apiserver-bind-port"],
        grpc_port=flags["grpc-port"],
        grpc_token_port=flags["grpc-token-port"],
        etcd_port=flags["etcd-port"],
        units_port=flags["units-port"],
        etcd_servers=flags["etcd-servers"],
        etcd_cafile=_absolute(flags["etcd-cafile"]),
        etcd_certfile=_absolute(flags["etcd-certfile"]),
        etcd_keyfile=_absolute(flags["etcd-keyfile"]),
        etcd_prefix=flags["etcd-prefix"],
        service_cidr=flags["service-cidr"],
        pod_network_cidr=flags["pod-network-cidr"],
        cert_names=tuple(flags["apiserver-cert-extra-sans"]),
        cluster_name=flags["name"],
        token=flags["token"],
        token_ttl=flags["token-ttl"],
    )


def _absolute(path: str) -> str:
    """A path that the components find from wherever they run."""
    return str(pathlib.Path(path).absolute()) if path else ""


_FLAGS = (
    Flag("name", "Name of the cluster in its kubeconfigs", default="kubernetes"),
    Flag("config-dir", "Where certificates, kubeconfigs and component configuration go", default="/etc/pilothouse"),
    Flag("data-dir", "Where the store and the logs go", default="/var/lib/pilothouse"),
    Flag("apiserver-advertise-address", "Address by which other hosts reach this one; else that of the default route"),
    Flag("apiserver-bind-port", "Port of the REST API", kind=Kind.INT, default=6443),
    Flag("apiserver-cert-extra-sans", "Further names and addresses for its certificate", kind=Kind.LIST, default=[]),
    Flag("grpc-port", "Port of the gRPC API over mutual TLS", kind=Kind.INT, default=6444),
    Flag("grpc-token-port", "Port of the gRPC API for clients with a token", kind=Kind.INT, default=6445),
    Flag("etcd-port", "Port of the store", kind=Kind.INT, default=2379),
    Flag("units-port", "Port where the controllers' units are steered", kind=Kind.INT, default=10257),
    Flag("etcd-servers", "URLs of an etcd cluster to use in place of our own store, comma-separated"),
    Flag("etcd-cafile", "Authority of its certificates"),
    Flag("etcd-certfile", "Certificate to show to it"),
    Flag("etcd-keyfile", "The certificate's private key"),
    Flag("etcd-prefix", "What the cluster's keys begin with in it", default="/registry"),
    Flag("service-cidr", "Addresses of services", default="10.96.0.0/16"),
    Flag("pod-network-cidr", "Addresses of pods", default="10.244.0.0/16"),
    Flag("token", "The bootstrap token to create; else one is made"),
    Flag("token-ttl", "How long the bootstrap token is good for; 0 for ever", kind=Kind.DURATION, default=86400.0),
)

COMMAND = Command(
    name="init",
    summary="Set up a control plane on this host and run it: store, API server, controllers, scheduler.",
    usage="init [flags]",
    run=run,
    flags=(*_FLAGS, foreground.DETACH),
    examples="""
# A control plane that other hosts can join
pilot init --apiserver-advertise-address 10.0.0.1

# Only the certificates, to look at them first
pilot init phase certs --config-dir ./etc --data-dir ./var
""",
    subcommands={
        "phase": Command(
            "phase",
            "Run one phase of init alone",
            "init phase PHASE [flags]",
            flags=_FLAGS,
            subcommands={
                phase: Command(
                    phase, f"Run phase {phase}", f"init phase {phase} [flags]", partial(run, phases=(phase,)), _FLAGS
                )
                for phase in PHASES
            },
        )
    },
)
