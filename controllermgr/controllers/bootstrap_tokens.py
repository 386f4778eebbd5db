"""Bootstrap tokens: secrets that let a new host join, and the cluster-info that it checks before it trusts.

`tokencleaner` deletes tokens whose time is over. `bootstrapsigner` signs the kubeconfig in kube-public/cluster-info
with every token that may sign, so that a host that knows a token can verify it: a detached JWS per token, HS256
(RFC 7515).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime

import orjson

from machinery.client.api import DeleteOptions, Object
from machinery.client.resources import CONFIG_MAPS, SECRETS
from machinery.controller.mapping import constant
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import NotFound
from machinery.objects import meta, timefmt

TYPE = "bootstrap.kubernetes.io/token"
TOKENS_NAMESPACE = "kube-system"
TOKENS = f"type={TYPE}"
INFO_NAMESPACE = "kube-public"
INFO = "cluster-info"
INFO_SELECTION = f"metadata.name={INFO}"
KUBECONFIG = "kubeconfig"
SIGNATURE_PREFIX = "jws-kubeconfig-"


def field(secret: Object, name: str) -> str:
    """One entry of a Secret as text; "" when absent or not text."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(name) or "").decode()
    except ValueError:
        return ""


def expiry(secret: Object) -> datetime | None:
    """When the token ends; None for one that never does. One that cannot be read has ended: ValueError."""
    return timefmt.parse_optional(field(secret, "expiration"))


def signing_keys(secrets: Iterable[Object], now: datetime) -> dict[str, str]:
    """Token id -> secret, of the tokens that may sign and have not ended."""
    found: dict[str, str] = {}
    for each in secrets:
        identity, secret = field(each, "token-id"), field(each, "token-secret")
        if meta.name(each) != f"bootstrap-token-{identity}" or not secret or meta.is_deleting(each):
            continue
        try:
            end = expiry(each)
        except ValueError:
            continue
        if field(each, "usage-bootstrap-signing") == "true" and (end is None or end > now):
            found[identity] = secret
    return found


def detached_jws(content: str, identity: str, secret: str) -> str:
    """The signature of a content that travels beside it: `HEADER..SIGNATURE`."""
    header = _base64url(orjson.dumps({"alg": "HS256", "kid": identity}))
    signed = f"{header}.{_base64url(content.encode())}".encode()
    return f"{header}..{_base64url(hmac.new(secret.encode(), signed, hashlib.sha256).digest())}"


def signed(data: Mapping[str, str], keys: Mapping[str, str]) -> dict[str, str]:
    """The data of cluster-info with the signatures of these keys, and no others."""
    found = {key: value for key, value in data.items() if not key.startswith(SIGNATURE_PREFIX)}
    content = data.get(KUBECONFIG)
    if content:
        found |= {
            f"{SIGNATURE_PREFIX}{identity}": detached_jws(content, identity, keys[identity])
            for identity in sorted(keys)
        }
    return found


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenCleaner:
    """The reconciler. Keys are tokens'."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._log = context.log
        self._secrets = context.informers.of(SECRETS, namespace=TOKENS_NAMESPACE, field_selector=TOKENS).store

    async def reconcile(self, key: str) -> Outcome:
        secret = self._secrets.get(key)
        if secret is None:
            return DONE
        try:
            end = expiry(secret)
        except ValueError:
            self._log.warning("bootstrap token has an unreadable expiration, deleting it name=%s", meta.name(secret))
            end = self._clock.now()
        if end is None:
            return DONE
        left = (end - self._clock.now()).total_seconds()
        if left > 0:
            return RequeueAfter(left)
        try:
            await self._client.delete(
                SECRETS, meta.name(secret), namespace=TOKENS_NAMESPACE, options=DeleteOptions(uid=meta.uid(secret))
            )
        except NotFound:
            return DONE
        return DONE


class BootstrapSigner:
    """The reconciler. There is one key: cluster-info."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._secrets = context.informers.of(SECRETS, namespace=TOKENS_NAMESPACE, field_selector=TOKENS).store
        self._maps = context.informers.of(CONFIG_MAPS, namespace=INFO_NAMESPACE, field_selector=INFO_SELECTION).store

    async def reconcile(self, key: str) -> Outcome:
        info = self._maps.get(meta.join_key(INFO_NAMESPACE, INFO))
        if info is None:
            return DONE
        data = info.get("data") or {}
        wanted = signed(data, signing_keys(self._secrets.values(), self._clock.now()))
        if wanted != data:
            await self._client.update(CONFIG_MAPS, {**info, "data": wanted})
        return DONE


CLEANER = ControllerSpec(
    "tokencleaner",
    make=TokenCleaner,
    workers=1,
    aliases=("token-cleaner",),
    description="Deletes bootstrap tokens whose time is over",
    watches=(Watch(SECRETS, namespace=TOKENS_NAMESPACE, field_selector=TOKENS),),
)
SIGNER = ControllerSpec(
    "bootstrapsigner",
    make=BootstrapSigner,
    workers=1,
    aliases=("bootstrap-signer",),
    description="Signs cluster-info with the bootstrap tokens",
    keys=(INFO,),
    watches=(
        Watch(SECRETS, constant(INFO), namespace=TOKENS_NAMESPACE, field_selector=TOKENS),
        Watch(CONFIG_MAPS, constant(INFO), namespace=INFO_NAMESPACE, field_selector=INFO_SELECTION),
    ),
)
