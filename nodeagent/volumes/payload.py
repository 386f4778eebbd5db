"""Which files a volume has: config maps, secrets, the downward API and projections of them. Pure.

Rules and messages: kubelet's pkg/volume/{configmap,secret,downwardapi,projected}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from machinery.objects import pod as pods
from nodeagent.errors import ConfigError, MountError
from nodeagent.pods import env
from nodeagent.pods.references import data_of

Object = Mapping[str, Any]
DEFAULT_MODE = 0o644
TOKEN_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class File:
    """One file: its bytes and permission bits."""

    content: bytes
    mode: int = DEFAULT_MODE


Payload = dict[str, File]
"""Relative path to file."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A service account token that a projection wants. `audience` "" is the API server's."""

    audience: str = ""
    seconds: int = TOKEN_SECONDS


@dataclass(slots=True)
class Needs:
    """What must be fetched before the files of a pod's volumes can be made."""

    config_maps: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    claims: set[str] = field(default_factory=set)
    tokens: set[TokenRequest] = field(default_factory=set)


def sources(volume: Object) -> list[Object]:
    """The projections of a volume; one for a plain configMap, secret or downwardAPI volume, none for another."""
    if projected := volume.get("projected"):
        return list(projected.get("sources") or ())
    for kind in ("configMap", "secret", "downwardAPI"):
        if kind in volume:
            return [{kind: _renamed(volume[kind])}]
    return []


def _renamed(source: Object) -> Object:
    return {**source, "name": source["secretName"]} if "secretName" in source else source


def needs(pod: Object) -> Needs:
    """What all volumes of a pod refer to."""
    result = Needs()
    for volume in pods.spec(pod).get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            result.claims.add(claim["claimName"])
        for source in sources(volume):
            if ref := source.get("configMap"):
                result.config_maps.add(ref["name"])
            if ref := source.get("secret"):
                result.secrets.add(ref["name"])
            if ref := source.get("serviceAccountToken"):
                result.tokens.add(token_request(ref))
    return result


def token_request(source: Object) -> TokenRequest:
    """The token that a serviceAccountToken projection asks for."""
    return TokenRequest(source.get("audience") or "", int(source.get("expirationSeconds") or TOKEN_SECONDS))


def files(volume: Object, found: env.Sources, tokens: Mapping[TokenRequest, str]) -> Payload:
    """The files of one volume. Raises MountError for what must exist and does not."""
    holder = (
        volume.get("projected") or volume.get("configMap") or volume.get("secret") or volume.get("downwardAPI") or {}
    )
    mode = _mode(holder.get("defaultMode"), DEFAULT_MODE)
    result: Payload = {}
    for source in sources(volume):
        if ref := source.get("configMap"):
            result |= _keys(ref, found.config_maps, "configmap", mode)
        elif ref := source.get("secret"):
            result |= _keys(ref, found.secrets, "secret", mode)
        elif ref := source.get("downwardAPI"):
            result |= _downward(ref, found, mode)
        elif ref := source.get("serviceAccountToken"):
            result[ref["path"]] = File(tokens.get(token_request(ref), "").encode(), mode)
        else:
            raise MountError(f"projection of {', '.join(source)} is not served by this node agent")
    return result


def _mode(given: Any, default: int) -> int:
    return default if given is None else int(given)


def _keys(ref: Object, found: Mapping[str, Object | None], kind: str, mode: int) -> Payload:
    obj = found.get(ref["name"])
    if obj is None:
        if ref.get("optional"):
            return {}
        raise MountError(f'{kind} "{ref["name"]}" not found')
    data = data_of(dict(obj))
    if not ref.get("items"):
        return {key: File(content, mode) for key, content in data.items()}
    result: Payload = {}
    for item in ref["items"]:
        if item["key"] in data:
            result[item["path"]] = File(data[item["key"]], _mode(item.get("mode"), mode))
        elif not ref.get("optional"):
            word = "config" if kind == "configmap" else "secret"
            raise MountError(f"references non-existent {word} key: {item['key']}")
    return result


def _downward(ref: Object, found: env.Sources, mode: int) -> Payload:
    result: Payload = {}
    for item in ref.get("items") or ():
        try:
            if of := item.get("fieldRef"):
                text = env.field_value(of["fieldPath"], found)
            else:
                text = env.resource_value(item["resourceFieldRef"], {}, found)
        except ConfigError as error:
            raise MountError(str(error)) from None
        result[item["path"]] = File(text.encode(), _mode(item.get("mode"), mode))
    return result
