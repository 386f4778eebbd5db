"""`python -m apiserver`: an API server as a process of its own, over a store that speaks etcd v3."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from actors import Actor, ChildSpec, Supervisor, SystemClock
from actors.runner import run
from actors.tree import Node, snapshot
from apiserver.app import ApiServer
from apiserver.config import Config
from apiserver.flags import Flags
from apiserver.renewal import Renewal
from apiserver.storage.servers import EtcdServers
from machinery.pki.tls import TlsFiles
from machinery.process import logs, settings
from machinery.rpc.inspect import INSPECT, InspectService
from machinery.rpc.restricted import Restricted

PROG = "apiserver"
USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; returns the exit code: 0 after an ordered end, 1 when it cannot run, 2 for bad flags."""
    flags = settings.parse(Flags, arguments, prog=PROG, description="Serves the Kubernetes API.")
    try:
        config = flags.config()
        store = flags.store()
        store.files.read().checked()
        logs.setup(flags.log_level)
    except (OSError, ValueError) as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return USAGE_ERROR
    serving = TlsFiles(cert=flags.tls_cert_file, key=flags.tls_private_key_file)
    return run(ChildSpec(PROG, lambda: _Root(config, store, serving)), clock=SystemClock(), name=PROG)


class _Root(Supervisor):
    """Makes the application inside the event loop, which its channel belongs to."""

    def __init__(self, config: Config, store: EtcdServers, serving: TlsFiles) -> None:
        clock = SystemClock()
        etcd = store.channel(clock)
        inspect = InspectService(self._tree)
        beside = {INSPECT: Restricted(INSPECT, lambda: inspect)}
        app = ApiServer(config, clock=clock, etcd=etcd, beside=beside)
        children = [app.spec(), ChildSpec("announce", lambda: _Announcer(app))]
        if serving.cert is not None:
            children.append(ChildSpec("renewal", lambda: Renewal(serving, app.renew)))
        super().__init__(children)

    def _tree(self) -> Node:
        assert self._cell is not None, "it is asked by a listener below it"
        return snapshot(self._cell)


class _Announcer(Actor):
    """Says on standard output where the API is served, once it is: scripts wait for that line."""

    def __init__(self, app: ApiServer) -> None:
        self._app = app

    async def setup(self) -> None:
        await self._app.ready()
        addresses = [f"https://{self._app.config.bind_address}:{self._app.rest_port}"]
        addresses += [f"{name}={address}" for name, address in self._app.grpc_addresses.items() if address]
        print(f"{PROG} ready {' '.join(addresses)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
