"""`python -m nodeagent`: one agent as a process, on containerd (or any CRI v1 runtime) or on the fake runtime."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors import Actor, ChildSpec, Supervisor, SystemClock
from actors.runner import run
from machinery.client import kubeconfig
from machinery.client.dial import check_dialable, dial
from machinery.client.kubeconfig import KubeConfigError
from machinery.client.target import Target, target
from machinery.pki.request import node_of
from nodeagent.config import Config

USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; returns the exit code: 0 after an ordered end, 1 when it cannot run, 2 for bad flags."""
    given = _parser().parse_args(arguments)
    try:
        config = to_config(given)
        config.names()
        reached = target(kubeconfig.load(given.kubeconfig or None))
        check_dialable(reached)
        certificate = _own_certificate(config, reached) if given.rotate_certificates else None
    except (ValueError, KubeConfigError, OSError) as error:
        print(f"nodeagent: {error}", file=sys.stderr)
        return USAGE_ERROR
    from machinery.process import logs

    logs.setup(given.log_level)
    return run(ChildSpec("root", lambda: _Root(config, reached, certificate)), clock=SystemClock(), name="nodeagent")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m nodeagent", description="Runs the pods of one node, or of many fake ones.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--kubeconfig", default="", help="file that says where the API is and who this node is (default: as kubectl)")
    add("--node-name", action="append", default=[], help="name of the node; may be repeated on the fake runtime")
    add("--nodes", type=int, default=0, help="number of fake nodes, named NAME_PREFIX-1 and on")
    add("--name-prefix", default="node", help="see --nodes (default %(default)s)")
    add(
        "--container-runtime-endpoint",
        default="unix:///run/containerd/containerd.sock",
        help="CRI v1 socket, or 'fake' (default %(default)s)",
    )
    add("--root-dir", default="/var/lib/pilothouse/node", help="where volumes and logs are kept (default %(default)s)")
    add("--node-ip", action="append", default=[], help="address of the node (default: of the host's default route)")
    add("--hostname", default="", help="value of the label kubernetes.io/hostname (default: the node's name)")
    add("--node-labels", default="", help="labels to register with: KEY=VALUE,…")
    add("--register-with-taints", default="", help="taints to register with: KEY=VALUE:EFFECT,…")
    add("--max-pods", type=int, default=110, help="pods that the node takes (default %(default)s)")
    add("--cluster-dns", default="", help="name servers of pods, comma-separated (default: the host's)")
    add("--cluster-domain", default="cluster.local", help="domain of services (default %(default)s)")
    add("--stages", action="append", default=[], help="stage file of the fake runtime; may be repeated")
    add("--rotate-certificates", action="store_true", help="renew the client certificate that the kubeconfig names")
    add("--log-level", default="info", help="debug, info, warning or error (default %(default)s)")
    return parser


def to_config(given: argparse.Namespace) -> Config:
    """Flags into settings. Raises ValueError for a malformed label or taint, OSError for an unreadable stage file."""
    names: int | tuple[str, ...] = given.nodes or tuple(
        name.strip().lower() for name in given.node_name or [socket.gethostname()]
    )  # as kubelet
    return Config(
        nodes=names,
        name_prefix=given.name_prefix,
        runtime=given.container_runtime_endpoint,
        root_dir=given.root_dir,
        node_ips=tuple(given.node_ip),
        hostname=given.hostname,
        labels=_pairs(given.node_labels),
        taints=tuple(_taint(text) for text in given.register_with_taints.split(",") if text),
        max_pods=given.max_pods,
        cluster_dns=tuple(each for each in given.cluster_dns.split(",") if each),
        cluster_domain=given.cluster_domain,
        stages=tuple(_document(path) for path in given.stages),
    )


def _own_certificate(config: Config, reached: Target) -> Path:
    """The file of the certificate to rotate. Raises ValueError when that cannot be done."""
    names, files = config.names(), reached.files
    if files.cert is None or files.cert != files.key:
        raise ValueError(
            "--rotate-certificates: the kubeconfig must name one file as client-certificate and client-key"
        )
    if len(names) != 1 or node_of(reached.certificate) != names[0]:
        raise ValueError(f"--rotate-certificates: {files.cert} is not the certificate of node {', '.join(names)}")
    return files.cert


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for each in filter(None, text.split(",")):
        key, equals, value = each.partition("=")
        if not equals:
            raise ValueError(f"--node-labels: {each!r} is not KEY=VALUE")
        pairs[key] = value
    return pairs


def _taint(text: str) -> dict[str, str]:
    head, colon, effect = text.rpartition(":")
    if not colon or effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        raise ValueError(f"--register-with-taints: {text!r} is not KEY[=VALUE]:EFFECT")
    key, _, value = head.partition("=")
    return {"key": key, "value": value, "effect": effect} if value else {"key": key, "effect": effect}


def _document(path: str) -> Any:
    import yaml

    return yaml.safe_load(Path(path).read_text())


class _Root(Supervisor):
    """Makes the agent inside the event loop, which its channels belong to."""

    def __init__(self, config: Config, reached: Target, certificate: Path | None) -> None:
        from machinery.client.grpc import ApiClient
        from nodeagent.app import NodeAgent

        clock = SystemClock()
        agent = NodeAgent(
            config,
            clock=clock,
            client=ApiClient(dial(reached, clock=clock), user_agent="kubelet"),
            tunnel_channel=dial(reached, clock=clock),
            certificate=certificate,
        )
        super().__init__([agent.spec(), ChildSpec("announce", lambda: _Announcer(agent))])


class _Announcer(Actor):
    """Says on standard output when the nodes are registered: scripts wait for that line."""

    def __init__(self, agent: Any) -> None:
        self._agent = agent

    async def setup(self) -> None:
        self.spawn(self._announce(), name="announce")

    async def _announce(self) -> None:
        await self._agent.ready()
        print(f"nodeagent ready {' '.join(self._agent.node_names)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
