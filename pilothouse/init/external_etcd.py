"""Of preflight: whether an etcd that is not ours can be used."""

from __future__ import annotations

import pathlib

from actors import Clock
from apiserver.storage.servers import EtcdServers
from machinery.pki.tls import TlsError, TlsFiles
from pilothouse.external_store import StoreUnreachable, examine
from pilothouse.init.settings import InitSettings


def servers(settings: InitSettings) -> EtcdServers:
    """The members. Raises ValueError."""
    names = (settings.etcd_certfile, settings.etcd_keyfile, settings.etcd_cafile)
    cert, key, ca = (pathlib.Path(name) if name else None for name in names)
    return EtcdServers.parse(settings.etcd_servers, TlsFiles(cert, key, ca))


async def problem(settings: InitSettings, *, clock: Clock) -> str:
    """Why it cannot be used; "" when it can."""
    error = "[ERROR ExternalEtcd]: "
    try:
        found = await examine(servers(settings), prefix=settings.etcd_prefix, clock=clock)
    except (StoreUnreachable, TlsError) as reason:
        return f"{error}{reason}"
    own = settings.pki / "ca.crt"
    if not found.authority or (own.exists() and own.read_text().strip() == found.authority.strip()):
        return ""
    return (
        f"{error}the cluster at {settings.etcd_prefix} there was made with another authority than {own}; go on with "
        "that one's --config-dir, or keep this cluster apart with another --etcd-prefix"
    )
