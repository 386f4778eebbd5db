"""A host's part of `pilot join`: its files, and its agent as a process that is started again when it dies."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from actors import ChildSpec, Clock, Supervisor
from machinery.client import kubeconfig
from machinery.client.dial import dial
from machinery.client.grpc import ApiClient
from machinery.client.target import Target
from pilothouse.entry import KubeConfigEntry
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

    @property
    def pki(self) -> pathlib.Path:
        return self.config_dir / "pki"

    @property
    def kubeconfig(self) -> pathlib.Path:
        return self.config_dir / "kubelet.conf"

    @property
    def log(self) -> pathlib.Path:
        return self.data_dir / "log" / "nodeagent.log"


async def bootstrap(settings: NodeSettings, *, clock: Clock, say: Callable[[str], None]) -> None:
    """Discovery and certificate, unless an earlier join left good ones. Raises InitError, ApiError, OSError."""
    if settings.kubeconfig.exists() and certificate.existing(settings.pki, clock=clock) is not None:
        say(f"Using the existing certificate in {settings.pki}")
        return
    if not settings.token:
        raise InitError("--token is needed for the first join: 'pilot token create --print-join-command' prints it")
    say(f"Discovering the cluster at {settings.endpoint}")
    found = await discovery.discover(
        settings.endpoint, settings.token, settings.hashes, clock=clock, unsafe=settings.unsafe
    )
    say("Asking for a certificate")
    target = Target(server=found.server, grpc_tokens=found.grpc_tokens, ca=found.ca, token=settings.token)
    channel = dial(target)
    try:
        client = ApiClient(channel, user_agent="pilot-join", timeout=30.0)
        pair = await certificate.obtain(client, settings.name, settings.pki, clock=clock)
    finally:
        await channel.close()
    entry = KubeConfigEntry(
        name="kubernetes",
        server=found.server,
        grpc=found.grpc,
        grpc_tokens=found.grpc_tokens,
        ca=found.ca,
        user=pair,
        user_name=certificate.user_name(settings.name),
    )
    kubeconfig.write(settings.kubeconfig, entry.document())
    say(f'Wrote "{settings.kubeconfig.name}" kubeconfig file')


def spec(settings: NodeSettings) -> ChildSpec:
    """The agent's process under its supervisor."""
    command = [
        settings.python, "-m", "nodeagent",
        f"--kubeconfig={settings.kubeconfig}",
        f"--node-name={settings.name}",
        f"--container-runtime-endpoint={settings.runtime}",
        f"--root-dir={settings.data_dir}",
    ]  # fmt: skip
    if settings.node_ip:
        command.append(f"--node-ip={settings.node_ip}")
    if settings.labels:
        command.append(f"--node-labels={settings.labels}")
    program = Program("nodeagent", command, ready="nodeagent ready", log=settings.log)
    children = [ChildSpec("nodeagent", lambda: Process(program), shutdown=30.0)]
    return ChildSpec("node", lambda: Supervisor(children, intensity=PATIENCE))
