"""`python -m controllermgr`: the controller loops as a process of their own, over gRPC to an API server."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial

from actors import Actor, ChildSpec, Supervisor, SystemClock
from actors.runner import run
from actors.tree import Node, snapshot
from controllermgr.app import ControllerManager, check
from controllermgr.config import Config
from controllermgr.errors import BadConfig
from controllermgr.flags import Flags
from machinery.client import kubeconfig
from machinery.client.dial import check_dialable, dial
from machinery.client.grpc import ApiClient
from machinery.client.kubeconfig import KubeConfigError
from machinery.client.target import Target, target
from machinery.pki.tls import TlsError, TlsFiles
from machinery.process import logs, settings
from machinery.rpc.inspect import INSPECT, InspectService

PROG = "controllermgr"
USAGE_ERROR = 2
SILENT_SECONDS = 2.0
"""How long nothing is said of an API that does not answer."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; returns the exit code: 0 after an ordered end, 1 when it cannot run, 2 for bad flags."""
    flags = settings.parse(Flags, arguments, prog=PROG, description="Runs the controllers of a Kubernetes cluster.")
    try:
        config = flags.config()
        check(config)
        reached = target(kubeconfig.load(flags.kubeconfig))
        check_dialable(reached)
        logs.setup(flags.log_level)
    except (BadConfig, KubeConfigError, OSError, ValueError) as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return USAGE_ERROR
    return run(ChildSpec(PROG, lambda: _Root(config, reached, flags)), clock=SystemClock(), name=PROG)


class _Root(Supervisor):
    """Makes the application inside the event loop, which its channel belongs to."""

    def __init__(self, config: Config, reached: Target, flags: Flags) -> None:
        client = ApiClient(dial(reached, clock=SystemClock()), user_agent="kube-controller-manager")
        app = ControllerManager(config, clock=SystemClock(), client=client)
        children = [app.spec()]
        if flags.grpc_address:
            served = {**app.services(), INSPECT: InspectService(self._tree)}
            children.append(ChildSpec("grpc", lambda: _listener(served, flags)))
        super().__init__([*children, ChildSpec("announce", lambda: _Announcer(app, reached.server))])

    def _tree(self) -> Node:
        assert self._cell is not None, "it is asked by a listener below it"
        return snapshot(self._cell)


def _listener(served: Mapping[str, object], flags: Flags) -> Actor:
    from machinery.pki.tls import reloading_server_credentials
    from machinery.rpc.restricted import Restricted
    from machinery.rpc.server import GrpcServer

    files = TlsFiles(cert=flags.tls_cert_file, key=flags.tls_private_key_file, ca=flags.client_ca_file)
    if not files.read().cert:
        raise TlsError("--grpc-address needs --tls-cert-file, --tls-private-key-file and --client-ca-file")
    credentials = reloading_server_credentials(files, require_client=True)
    services = {name: Restricted(name, partial(served.__getitem__, name)) for name in served}
    return GrpcServer(services, [flags.grpc_address], credentials=credentials)


class _Announcer(Actor):
    """Says on standard output when the controllers work: scripts wait for that line."""

    def __init__(self, app: ControllerManager, server: str) -> None:
        self._app = app
        self._server = server

    async def setup(self) -> None:
        self.spawn(self._announce(), name="announce")

    async def _announce(self) -> None:
        try:
            async with self.clock.timeout(SILENT_SECONDS):
                await self._app.working()
        except TimeoutError:
            print(f"{PROG} waits for the API at {self._server}", flush=True)
            await self._app.working()
        print(f"{PROG} ready", flush=True)


if __name__ == "__main__":
    sys.exit(main())
