"""A host's part of `pilot join`: its files, and its agent as a process that is started again when it dies."""

from __future__ import annotations

import contextlib
import ipaddress
import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from actors import ChildSpec, Clock, Supervisor
from machinery.client import kubeconfig
from machinery.client.api import Client
from machinery.client.dial import dial
from machinery.client.grpc import ApiClient
from machinery.client.resources import NODES
from machinery.client.target import Target, target
from machinery.errors import NotFound
from machinery.objects import conditions, names, timefmt
from machinery.pki.request import node_of, user_name
from machinery.pki.tls import TlsFiles
from pilothouse import pki
from pilothouse.entry import KubeConfigEntry
from pilothouse.init import tokens
from pilothouse.init.control_plane import PATIENCE
from pilothouse.init.processes import Process, Program
from pilothouse.init.settings import InitError
from pilothouse.join import certificate, discovery


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What `pilot join` is told. endpoint: `host:port` of REST. runtime: "fake" or `unix://...`."""

    endpoint: str
    name: str
    token: str
    hashes: tuple[str, ...]
    unsafe: bool
    runtime: str
    config_dir: pathlib.Path
    data_dir: pathlib.Path
    python: str
    node_ip: str = ""
    labels: str = ""
    discovery_timeout: float = 60.0
    """Seconds to wait for a cluster that answers and knows the token."""

    @property
    def pki(self) -> pathlib.Path:
        return self.config_dir / "pki"

    @property
    def kubeconfig(self) -> pathlib.Path:
        return self.config_dir / "kubelet.conf"

    @property
    def log(self) -> pathlib.Path:
        return self.data_dir / "log" / "nodeagent.log"


def check(settings: NodeSettings) -> None:
    """Raises InitError for what cannot be, before anything is asked or written; words are kubeadm's and kubelet's."""
    if problems := names.is_dns_subdomain(settings.name):
        raise InitError(f'--node-name: Invalid value: "{settings.name}": {"; ".join(problems)}')
    if settings.token:
        tokens.split(settings.token)
    discovery.check_hashes(settings.hashes)
    if settings.discovery_timeout <= 0:
        shown = timefmt.format_duration(settings.discovery_timeout)
        raise InitError(f'--discovery-timeout: Invalid value: "{shown}": must be more than 0')
    if settings.node_ip:
        try:
            ipaddress.ip_address(settings.node_ip)
        except ValueError:
            raise InitError(f'--node-ip: Invalid value: "{settings.node_ip}": ip address is not valid') from None
    for label in filter(None, settings.labels.split(",")):
        key, equals, value = label.partition("=")
        problems = names.is_label_key(key) + names.is_label_value(value) if equals else ["must be KEY=VALUE"]
        if problems:
            raise InitError(f'--node-labels: Invalid value: "{label}": {"; ".join(problems)}')


async def bootstrap(settings: NodeSettings, *, clock: Clock, say: Callable[[str], None]) -> None:
    """Discovery and certificate, unless an earlier join left good ones. Raises InitError, ApiError, OSError."""
    if _joined(settings, clock=clock):
        say(f"Using the existing certificate in {settings.pki}")
        return
    if not settings.token:
        raise InitError("--token is needed for the first join: 'pilot token create --print-join-command' prints it")
    found = await discovery.discover(
        settings.endpoint,
        settings.token,
        settings.hashes,
        clock=clock,
        unsafe=settings.unsafe,
        timeout=settings.discovery_timeout,
        say=say,
    )
    say("[kubelet-start] Asking for a certificate")
    channel = dial(Target(server=found.server, grpc_tokens=found.grpc_tokens, ca=found.ca, token=settings.token))
    try:
        client = ApiClient(channel, user_agent="pilot-join", timeout=30.0)
        await _check_free(client, settings.name)
        await certificate.obtain(client, settings.name, settings.pki, clock=clock)
    finally:
        await channel.close()
    both = certificate.current(settings.pki)
    entry = KubeConfigEntry(
        name="kubernetes",
        server=found.server,
        grpc=found.grpc,
        grpc_tokens=found.grpc_tokens,
        ca=found.ca,
        user=TlsFiles(cert=both, key=both),
        user_name=user_name(settings.name),
    )
    kubeconfig.write(settings.kubeconfig, entry.document())
    say(f'[kubelet-start] Wrote "{settings.kubeconfig.name}" kubeconfig file')


def _joined(settings: NodeSettings, *, clock: Clock) -> bool:
    """Whether an earlier join left all that is needed. Raises InitError when it was of another cluster or node."""
    mine = certificate.existing(settings.pki, clock=clock)
    if mine is None or not settings.kubeconfig.exists():
        return False
    what_to_do = f"remove {settings.config_dir}, or choose another --config-dir and --data-dir"
    name = node_of(mine)
    if name != settings.name:
        raise InitError(f'this host is node "{name}" already, not "{settings.name}": {what_to_do}')
    known = target(kubeconfig.load(settings.kubeconfig))
    if settings.hashes and pki.public_key_hash(known.ca) not in settings.hashes:
        raise InitError(f"this host has joined another cluster, {known.server}: {what_to_do}")
    return True


async def _check_free(client: Client, name: str) -> None:
    """Raise InitError when a living node has this name, as kubeadm does."""
    with contextlib.suppress(NotFound):
        node = await client.get(NODES, name)
        if conditions.is_true(node, "Ready"):
            raise InitError(
                f'a Node with name "{name}" and status "Ready" already exists in the cluster. You must delete the '
                "existing Node or change the name of this new joining Node"
            )


def spec(settings: NodeSettings, *, say: Callable[[str], None]) -> ChildSpec:
    """The agent's process under its supervisor; `say` takes a line whenever it is ready."""
    command = [
        settings.python, "-m", "nodeagent",
        f"--kubeconfig={settings.kubeconfig}",
        f"--node-name={settings.name}",
        f"--container-runtime-endpoint={settings.runtime}",
        f"--root-dir={settings.data_dir}",
        "--rotate-certificates",
    ]  # fmt: skip
    if settings.node_ip:
        command.append(f"--node-ip={settings.node_ip}")
    if settings.labels:
        command.append(f"--node-labels={settings.labels}")
    program = Program("nodeagent", command, ready="nodeagent ready", log=settings.log)

    def started(name: str) -> None:
        say(f"{name} is ready")

    children = [ChildSpec("nodeagent", lambda: Process(program, started=started), shutdown=30.0)]
    return ChildSpec("node", lambda: Supervisor(children, intensity=PATIENCE))
