"""A cluster's entry in kubeconfig files: one cluster, one user, one context, all under one name.

The same entry serves kubectl (`server`) and pilot (the gRPC address in the cluster's extension).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from machinery.client.kubeconfig import GRPC_EXTENSION, KubeConfig, encoded
from machinery.pki.tls import TlsFiles
from pilothouse.credentials import Credentials
from pilothouse.pki import KeyPair


@dataclass(frozen=True, slots=True)
class KubeConfigEntry:
    """server: URL of REST, "" when it is not served. grpc: `host:port` for clients with a certificate; grpc_tokens:
    for those with only a token. user: a client certificate, or the files that hold it: those may be renewed."""

    name: str
    server: str
    grpc: str
    grpc_tokens: str
    ca: bytes
    user: KeyPair | TlsFiles
    user_name: str = ""
    units: str = ""
    """`host:port` where the controllers' units are steered, when that is not the gRPC address."""

    @classmethod
    def admin(cls, name: str, *, server: str, grpc: str, grpc_tokens: str, credentials: Credentials) -> KubeConfigEntry:
        """The entry of the cluster's administrator."""
        return cls(name, server, grpc, grpc_tokens, credentials.ca, credentials.admin)

    def cluster(self) -> Mapping[str, Any]:
        body: dict[str, Any] = {"server": self.server, "certificate-authority-data": encoded(self.ca)}
        if self.grpc:
            addresses = {"address": self.grpc, "tokenAddress": self.grpc_tokens}
            if self.units:
                addresses["unitsAddress"] = self.units
            body["extensions"] = [{"name": GRPC_EXTENSION, "extension": addresses}]
        return body

    def document(self) -> dict[str, Any]:
        """A kubeconfig of its own."""
        user = self.user_name or self.name
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": self.cluster()}],
            "users": [{"name": user, "user": self._user()}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": user}}],
            "current-context": self.name,
            "preferences": {},
        }

    def merge_into(self, config: KubeConfig, *, use: bool = True) -> None:
        """Add or replace the entry; a namespace chosen for the context stays. `use` makes it the current context."""
        user = self.user_name or self.name
        before = config.entries("contexts").get(self.name)
        namespace = {"namespace": before.body["namespace"]} if before and before.body.get("namespace") else {}
        config.put("clusters", self.name, self.cluster())
        config.put("users", user, self._user())
        config.put("contexts", self.name, {"cluster": self.name, "user": user, **namespace})
        if use:
            config.current_context = self.name

    def _user(self) -> Mapping[str, Any]:
        if isinstance(self.user, TlsFiles):
            return {"client-certificate": str(self.user.cert), "client-key": str(self.user.key)}
        return {
            "client-certificate-data": encoded(self.user.certificate),
            "client-key-data": encoded(self.user.key),
        }


def remove(config: KubeConfig, name: str) -> None:
    """Take a cluster's entry out of a kubeconfig; another context becomes current when it was the current one."""
    for section in ("contexts", "clusters", "users"):
        config.remove(section, name)
    if not config.current_context:
        left = sorted(config.entries("contexts"))
        if left:
            config.current_context = left[0]
