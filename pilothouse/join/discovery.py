"""Phase `discovery`: from an address, a token and a hash to a cluster that can be trusted.

The public ConfigMap kube-public/cluster-info is read without trust; then two things must fit: the authority in it to
the hash that the user brought (who controls the network cannot make one that does), and its signature to the token
(which shows that the cluster knows the token). Rules: kubeadm's token-based discovery with CA pinning.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from actors import Clock
from machinery import manifest
from machinery.client.kubeconfig import GRPC_EXTENSION, extension
from pilothouse import pki
from pilothouse.init.settings import InitError
from pilothouse.init.tokens import split

PATH = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
RETRY_SECONDS = 1.0
REQUEST_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """A cluster that can be trusted."""

    server: str
    ca: bytes
    grpc: str
    grpc_tokens: str


async def discover(
    endpoint: str,
    token: str,
    hashes: tuple[str, ...],
    *,
    clock: Clock,
    unsafe: bool = False,
    timeout: float = 60.0,
    say: Callable[[str], None] = lambda line: None,
) -> Found:
    """Ask `host:port` what cluster it is, until it answers with our token's signature or `timeout` seconds are over.

    hashes: accepted `sha256:...` of the authority's public key; `unsafe` takes any. say: takes a line at the beginning,
    one for each new reason to ask again, and one at the end. Raises InitError."""
    identity, secret = split(token)
    if not hashes and not unsafe:
        raise InitError(
            "the authority cannot be verified: give --discovery-token-ca-cert-hash (printed by 'pilot token create "
            "--print-join-command'), or --discovery-token-unsafe-skip-ca-verification"
        )
    say(f"[discovery] Requesting cluster-info from {endpoint}")
    why = said = ""
    try:
        async with clock.timeout(timeout):
            while True:
                try:
                    with clock.external("discovery"):
                        data = await asyncio.to_thread(_fetch, endpoint, min(REQUEST_SECONDS, timeout))
                except _NotYet as error:
                    why = str(error)
                else:
                    found = _checked(data, identity, secret, hashes, unsafe=unsafe)
                    if found is not None:
                        pinned = "" if unsafe else ", and its authority is the pinned one"
                        say(f"[discovery] Cluster-info is signed with the token{pinned}")
                        return found
                    why = f'the cluster does not know a token with id "{identity}", or it has expired'
                if why != said:
                    said = why
                    say(f"[discovery] {endpoint}: {why}; will try again, for {timeout:g} s in all")
                await clock.sleep(RETRY_SECONDS)
    except TimeoutError:
        raise InitError(f"{endpoint}: {why or 'no answer'} (waited {timeout:g} s)") from None


def check_hashes(hashes: tuple[str, ...]) -> None:
    """Raise InitError for what is no `sha256:` and 64 hexadecimal digits."""
    for each in hashes:
        if re.fullmatch(r"sha256:[0-9a-f]{64}", each) is None:
            raise InitError(
                f'--discovery-token-ca-cert-hash: "{each}" is not "sha256:" and 64 hexadecimal digits: '
                "'pilot token create --print-join-command' prints it"
            )


class _NotYet(Exception):
    """The server cannot be asked now; later it may."""


def _fetch(endpoint: str, seconds: float) -> dict[str, str]:
    # Nothing is trusted yet: the answer is checked against the hash and the token before anything is made of it.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"https://{endpoint}{PATH}", context=context, timeout=seconds) as answer:
            document: dict[str, Any] = orjson.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise _NotYet(f"the server answered {error.code} {error.reason}") from None
    except (OSError, orjson.JSONDecodeError) as error:
        cause = getattr(error, "reason", None) or error
        raise _NotYet(f"cannot be reached: {getattr(cause, 'strerror', None) or cause}") from None
    return document.get("data") or {}


def _checked(
    data: dict[str, str], identity: str, secret: str, hashes: tuple[str, ...], *, unsafe: bool
) -> Found | None:
    """The cluster; None while it is not signed with our token. Raises InitError for another one than expected."""
    text, signature = data.get("kubeconfig", ""), data.get(f"jws-kubeconfig-{identity}", "")
    if not text or not signature:
        return None
    if not signed(text.encode(), signature, secret):
        raise InitError("the cluster's signature does not fit the token: is it the token of another cluster?")
    try:
        cluster = manifest.load(text)["clusters"][0]["cluster"]
        ca = base64.b64decode(cluster["certificate-authority-data"])
        addresses = extension(cluster, GRPC_EXTENSION) or {}
        found = Found(cluster["server"], ca, addresses.get("address", ""), addresses.get("tokenAddress", ""))
    except (manifest.ManifestError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InitError(f"cluster-info holds no kubeconfig of a cluster: {error}") from None
    if not unsafe and pki.public_key_hash(ca) not in hashes:
        raise InitError(
            f"cluster CA found in cluster-info ConfigMap is invalid: none of the public keys "
            f'"{pki.public_key_hash(ca)}" are pinned'
        )
    if not found.grpc or not found.grpc_tokens:
        raise InitError(f"{found.server} offers no gRPC API: it was not made by 'pilot init'")
    return found


def signed(content: bytes, signature: str, secret: str) -> bool:
    """Whether `header..signature` is a detached JWS (RFC 7515, HS256) of the content with this secret."""
    header, dots, mac = signature.partition("..")
    if not dots:
        return False
    try:
        if orjson.loads(_decode(header)).get("alg") != "HS256":
            return False
        expected = _decode(mac)
    except (ValueError, orjson.JSONDecodeError):
        return False
    payload = base64.urlsafe_b64encode(content).rstrip(b"=")
    return hmac.compare_digest(hmac.digest(secret.encode(), header.encode() + b"." + payload, "sha256"), expected)


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
