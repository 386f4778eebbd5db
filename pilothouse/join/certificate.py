"""Phase `certificate`: a key made here, a CertificateSigningRequest, and the certificate that the cluster answers."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import pathlib

from actors import Clock
from machinery.client.api import Client, Object
from machinery.client.resources import CERTIFICATE_SIGNING_REQUESTS as REQUESTS
from machinery.client.watch import Changed, Replaced, follow
from machinery.errors import AlreadyExists
from pilothouse import pki
from pilothouse.init.settings import InitError
from pilothouse.pki import KeyPair

SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
GROUP = "system:nodes"


def user_name(node: str) -> str:
    return f"system:node:{node}"


def existing(directory: pathlib.Path, *, clock: Clock) -> KeyPair | None:
    """The node's certificate from an earlier join, when it is still good."""
    with contextlib.suppress(FileNotFoundError):
        pair = KeyPair.load(directory, "kubelet")
        if pki.expires(pair.certificate) > clock.now():
            return pair
    return None


async def obtain(
    client: Client, node: str, directory: pathlib.Path, *, clock: Clock, timeout: float = 300.0
) -> KeyPair:
    """Ask for a client certificate of `node` and wait until it is issued. The pair is saved as `kubelet.crt`, `.key`.

    Raises InitError when the request is denied, fails or is not answered; ApiError."""
    request, key = pki.signing_request(user_name(node), [GROUP])
    name = f"node-csr-{hashlib.sha256(request).hexdigest()[:40]}"
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(request).decode(),
            "signerName": SIGNER,
            "usages": ["digital signature", "client auth"],
        },
    }
    with contextlib.suppress(AlreadyExists):
        await client.create(REQUESTS, body)
    try:
        async with clock.timeout(timeout):
            pair = KeyPair(await _issued(client, name, clock), key)
    except TimeoutError:
        raise InitError(
            f"certificate signing request {name} was not answered within {timeout:g} s: approve it with "
            f"'kubectl certificate approve {name}', and join again"
        ) from None
    pair.save(directory, "kubelet")
    return pair


async def _issued(client: Client, name: str, clock: Clock) -> bytes:
    selector = f"metadata.name={name}"
    async with contextlib.aclosing(follow(client, REQUESTS, clock=clock, field_selector=selector)) as steps:  # type: ignore[type-var]  # a generator
        async for step in steps:
            match step:
                case Replaced(items):
                    seen = list(items)
                case Changed(obj, False):
                    seen = [obj]
                case _:
                    continue
            for request in seen:
                certificate = _certificate(request, name)
                if certificate:
                    return certificate
    raise AssertionError("following a resource never ends")


def _certificate(request: Object, name: str) -> bytes:
    status = request.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] in ("Denied", "Failed"):
            raise InitError(f"certificate signing request {name}: {condition['type']}: {condition.get('message', '')}")
    return base64.b64decode(status.get("certificate") or "")
