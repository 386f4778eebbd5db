"""Which etcd an API server keeps its objects in, as `--etcd-servers` and the flags beside it name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Self
from urllib.parse import urlsplit

from actors import Clock
from apiserver.storage.same_cluster import ClusterId, SameClusterChannel
from machinery.pki.tls import Identity, TlsFiles, channel_credentials
from machinery.rpc.api import Channel
from machinery.rpc.failover import FailoverChannel
from machinery.rpc.renewing import RenewingChannel
from protos.pool import service

READS = frozenset(
    service(of)[name].path
    for of, names in {
        "etcdserverpb.KV": ("Range",),
        "etcdserverpb.Cluster": ("MemberList",),
        "etcdserverpb.Maintenance": ("Status",),
        "etcdserverpb.Lease": ("LeaseGrant",),
    }.items()
    for name in names
)
"""What may be asked of another member when one failed. A lease that is granted twice is not used, and ends."""


@dataclass(frozen=True, slots=True)
class EtcdServers:
    """urls: of the members, all http or all https. files: for https.

    keepalive: as for `GrpcChannel`: how soon a host that hangs is left. etcd takes pings every 5 s."""

    urls: tuple[str, ...]
    files: TlsFiles = field(default_factory=TlsFiles)
    keepalive: tuple[float, float] = (10.0, 5.0)

    @classmethod
    def parse(cls, text: str, files: TlsFiles | None = None, *, flag: str = "--etcd-servers") -> Self:
        """From a comma-separated list. Raises ValueError, which names the flag."""
        urls = tuple(dict.fromkeys(url.strip() for url in text.split(",") if url.strip()))
        if not urls or not all(map(_good, urls)) or len({urlsplit(url).scheme for url in urls}) != 1:
            raise ValueError(f"{flag}: {text!r} is no list of http:// or https:// URLs with ports")
        return cls(urls, files or TlsFiles())

    @property
    def secure(self) -> bool:
        return urlsplit(self.urls[0]).scheme == "https"

    def channel(self, clock: Clock) -> Channel:
        """To whichever member answers. Connects when it is used; certificates are read now and when they change. Raises
        TlsError. A member of another cluster than the first that answered is refused."""
        cluster = ClusterId()
        if not self.secure:
            return self._over(None, cluster, clock)
        return RenewingChannel(
            lambda: self._over(self.files.read().checked(), cluster, clock), self.files.version, clock=clock
        )

    def member(self, url: str) -> Channel:
        """To that member alone. Raises TlsError."""
        return self._connect(url, self.files.read().checked() if self.secure else None)

    def _over(self, identity: Identity | None, cluster: ClusterId, clock: Clock) -> Channel:
        def member(url: str) -> Channel:
            channel = self._connect(url, identity)
            return SameClusterChannel(channel, url, cluster) if len(self.urls) > 1 else channel

        connect: dict[str, Callable[[], Channel]] = {url: partial(member, url) for url in self.urls}
        return FailoverChannel(connect, repeatable=READS, clock=clock)

    def _connect(self, url: str, identity: Identity | None) -> Channel:
        from machinery.rpc.grpc_channel import GrpcChannel  # imports grpc

        credentials = None if identity is None else channel_credentials(identity)
        return GrpcChannel(urlsplit(url).netloc, credentials=credentials, keepalive=self.keepalive)


def _good(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname and parts.port) and parts.path in ("", "/")
    except ValueError:
        return False  # a port that is none
