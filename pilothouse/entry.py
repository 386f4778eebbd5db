"""A cluster's entry in kubeconfig files: one cluster, one user, one context, all under one name.

The same entry serves kubectl (`server`) and pilot (the gRPC address in the cluster's extension). Each of the three says
in an extension that pilot made it, as minikube's do: pilot replaces and removes nothing else. The context's also says
what was current before, to become current again when the cluster ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from machinery.client.kubeconfig import GRPC_EXTENSION, OURS, SECTIONS, KubeConfig, encoded, extension
from machinery.pki.tls import TlsFiles
from pilothouse.credentials import Credentials
from pilothouse.pki import KeyPair

MADE_EXTENSION = f"{OURS}entry"
"""On what pilot put into a kubeconfig that others share."""
_BEFORE = "previousContext"


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
        current = config.current_context
        if before and current == self.name:
            current = _previous(before.body)
        config.put("clusters", self.name, _made(self.cluster()))
        config.put("users", user, _made(self._user()))
        context = {"cluster": self.name, "user": user, **namespace}
        config.put("contexts", self.name, _made(context, **({_BEFORE: current} if use and current else {})))
        if use:
            config.current_context = self.name

    def _user(self) -> Mapping[str, Any]:
        if isinstance(self.user, TlsFiles):
            return {"client-certificate": str(self.user.cert), "client-key": str(self.user.key)}
        return {
            "client-certificate-data": encoded(self.user.certificate),
            "client-key-data": encoded(self.user.key),
        }


def foreign(config: KubeConfig, name: str) -> list[str]:
    """What a kubeconfig has under a cluster's name that pilot did not make: of "cluster", "context" and "user"."""
    found = {section: config.entries(section).get(name) for section in SECTIONS}
    return [SECTIONS[section] for section, entry in found.items() if entry and not _is_made(entry.body)]


def known(config: KubeConfig, name: str) -> bool:
    """Whether a kubeconfig has anything that pilot made for this cluster."""
    return any(
        (key == name or entry.body.get("cluster") == name) and _is_made(entry.body)
        for section in SECTIONS
        for key, entry in config.entries(section).items()
    )


def remove(config: KubeConfig, name: str) -> bool:
    """Take what pilot made for a cluster out of a kubeconfig; whether there was anything.

    When its context was the current one, that is current again which was before, if it still exists."""
    contexts = config.entries("contexts")
    gone = {
        key: _previous(entry.body)
        for key, entry in contexts.items()
        if entry.body.get("cluster") == name and _is_made(entry.body)
    }
    for key, entry in contexts.items():
        previous = _previous(entry.body)
        if key not in gone and previous in gone:
            others = [each for each in entry.body["extensions"] if each.get("name") != MADE_EXTENSION]
            config.put("contexts", key, _made({**entry.body, "extensions": others}, **{_BEFORE: gone[previous]}))
    if config.current_context in gone:
        before = gone[config.current_context]
        config.current_context = before if before in contexts and before not in gone else ""
    removed = [config.remove("contexts", key) for key in gone]
    for section in ("clusters", "users"):
        found = config.entries(section).get(name)
        if found and _is_made(found.body):
            removed.append(config.remove(section, name))
    return any(removed)


def _made(body: Mapping[str, Any], **said: str) -> dict[str, Any]:
    """An entry's body that says that pilot made it."""
    return {**body, "extensions": [*(body.get("extensions") or ()), {"name": MADE_EXTENSION, "extension": said}]}


def _is_made(body: Mapping[str, Any]) -> bool:
    return extension(body, MADE_EXTENSION) is not None


def _previous(body: Mapping[str, Any]) -> str:
    """The context that was current before; "" for none, or when pilot did not make this one."""
    return str((extension(body, MADE_EXTENSION) or {}).get(_BEFORE) or "")
