"""`python -m controllermgr`: the controller loops as a process of their own, over gRPC to an API server."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from actors import Actor, ChildSpec, Supervisor, SystemClock
from actors.runner import run
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

PROG = "controllermgr"
USAGE_ERROR = 2


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
    return run(ChildSpec("root", lambda: _Root(config, reached, flags)), clock=SystemClock(), name=PROG)


class _Root(Supervisor):
    """Makes the application inside the event loop, which its channel belongs to."""

    def __init__(self, config: Config, reached: Target, flags: Flags) -> None:
        client = ApiClient(dial(reached, clock=SystemClock()), user_agent="kube-controller-manager")
        app = ControllerManager(config, clock=SystemClock(), client=client)
        children = [app.spec()]
        if flags.grpc_address:
            children.append(ChildSpec("grpc", lambda: _listener(app, flags)))
        super().__init__([*children, ChildSpec("announce", lambda: _Announcer(app))])


def _listener(app: ControllerManager, flags: Flags) -> Actor:
    from machinery.pki.tls import reloading_server_credentials
    from machinery.rpc.restricted import Restricted
    from machinery.rpc.server import GrpcServer

    files = TlsFiles(cert=flags.tls_cert_file, key=flags.tls_private_key_file, ca=flags.client_ca_file)
    if not files.read().cert:
        raise TlsError("--grpc-address needs --tls-cert-file, --tls-private-key-file and --client-ca-file")
    credentials = reloading_server_credentials(files, require_client=True)
    services = {name: Restricted(name, partial(app.services().__getitem__, name)) for name in app.services()}
    return GrpcServer(services, [flags.grpc_address], credentials=credentials)


class _Announcer(Actor):
    """Says on standard output when the manager runs: scripts wait for that line."""

    def __init__(self, app: ControllerManager) -> None:
        self._app = app

    async def setup(self) -> None:
        await self._app.ready()
        print(f"{PROG} ready", flush=True)


if __name__ == "__main__":
    sys.exit(main())
