"""All documents of a server, by path. Implements `api.DocumentSource`.

Authorization is for the path, as upstream: everybody who is somebody may read discovery by the default roles, anybody
may read version and health.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

import orjson

from apiserver.auth.api import Attributes, Authorizer, TokenIssuer
from apiserver.auth.authz import refusal
from apiserver.documents.api import Document
from apiserver.documents.discovery import Discovery, wants_aggregated
from apiserver.documents.health import ENDPOINTS, Health
from apiserver.documents.metrics import Metrics
from apiserver.documents.openapi import JSON, V2_ASKED, V2_PROTOBUF, OpenApi
from apiserver.documents.version import version_document
from apiserver.verbs.context import UserInfo
from machinery.errors import NotAcceptable, NotFound

_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_ROOTS = ("/.well-known/openid-configuration", "/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2",
          "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version")  # fmt: skip


class Documents:
    """See the module."""

    def __init__(
        self,
        *,
        authorizer: Authorizer,
        discovery: Discovery,
        openapi: OpenApi,
        health: Health,
        metrics: Metrics,
        tokens: TokenIssuer,
    ) -> None:
        self._authorizer = authorizer
        self._discovery = discovery
        self._openapi = openapi
        self._health = health
        self._metrics = metrics
        self._tokens = tokens

    async def get(self, user: UserInfo, target: str, *, accept: str = "", method: str = "get") -> Document:
        path, _, query = target.partition("?")
        self._authorize(user, path, method)
        return await self._find(path.strip("/"), parse_qs(query, keep_blank_values=True), accept)

    def _authorize(self, user: UserInfo, path: str, verb: str) -> None:
        attributes = Attributes(user=user, verb=verb, path=path)
        decision = self._authorizer.authorize(attributes)
        if not decision.allowed:
            raise refusal(attributes, decision)

    async def _find(self, path: str, query: Mapping[str, Sequence[str]], accept: str) -> Document:
        if path.partition("/")[0] in ENDPOINTS:
            return await self._health.document(path, query)
        aggregated = wants_aggregated(accept)
        match path.split("/"):
            case [""]:
                return _json({"paths": self._listing()})
            case ["version"]:
                return Document(version_document(), JSON)
            case ["metrics"]:
                return Document(self._metrics.render().encode(), _METRICS)
            case ["api"]:
                return (
                    self._discovery.aggregated(core=True, version=aggregated)
                    if aggregated
                    else self._discovery.versions()
                )
            case ["apis"]:
                return (
                    self._discovery.aggregated(core=False, version=aggregated)
                    if aggregated
                    else self._discovery.groups()
                )
            case ["api", version]:
                return self._discovery.resources("", version)
            case ["apis", group]:
                return self._discovery.group(group)
            case ["apis", group, version]:
                return self._discovery.resources(group, version)
            case ["openapi", "v2"]:
                return self._openapi_v2(accept)
            case ["openapi", "v3"]:
                return self._openapi.index()
            case ["openapi", "v3", *rest]:
                return self._openapi.v3("/".join(rest))
            case [".well-known", "openid-configuration"]:
                return _json(self._tokens.openid_configuration())
            case ["openid", "v1", "jwks"]:
                return Document(orjson.dumps(self._tokens.jwks()), "application/jwk-set+json")
        raise NotFound("the server could not find the requested resource")

    def _openapi_v2(self, accept: str) -> Document:
        for clause in accept.split(",") if accept else ("*/*",):
            media_type = clause.partition(";")[0].strip()
            if media_type in V2_ASKED:
                return self._openapi.v2_protobuf()
            if media_type in (JSON, "*/*", "application/*"):
                return self._openapi.v2()
        raise NotAcceptable(f"only the following media types are accepted: {JSON}, {V2_PROTOBUF}")

    def _listing(self) -> list[str]:
        """Every path that there is something at, as `kubectl get --raw /` shows."""
        found = set(_ROOTS)
        for group, versions in self._discovery.group_versions().items():
            if group:
                found.add(f"/apis/{group}")
                found.update(f"/apis/{group}/{version}" for version in versions)
            else:
                found.update(f"/api/{version}" for version in versions)
        return sorted(found)


def _json(document: object) -> Document:
    return Document(orjson.dumps(document), JSON)
