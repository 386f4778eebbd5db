"""Phase `certificate`: a key made here, a CertificateSigningRequest, and the certificate that the cluster answers.

Certificate and key are one file, named as kubelet names it, so that it is replaced in one step when the agent renews
it, and whoever dies in between leaves the old one or the new one.
"""

from __future__ import annotations

import pathlib

from actors import Clock
from machinery.client.api import Client
from machinery.pki import request
from machinery.pki.files import write_file
from machinery.pki.tls import Identity, TlsError
from pilothouse.init.settings import InitError

CURRENT = "kubelet-client-current.pem"


def current(directory: pathlib.Path) -> pathlib.Path:
    """The file that holds the node's certificate and its key."""
    return directory / CURRENT


def existing(directory: pathlib.Path, *, clock: Clock) -> bytes | None:
    """The node's certificate (PEM) from an earlier join; None when there is none, or it ran out."""
    try:
        both = current(directory).read_bytes()
        Identity(both, both).checked()
    except (FileNotFoundError, TlsError):
        return None
    _, end = request.validity(both)
    return both if end > clock.now() else None


async def obtain(client: Client, node: str, directory: pathlib.Path, *, clock: Clock, timeout: float = 300.0) -> None:
    """Ask for a client certificate of `node`, wait until it is issued, and save it with its key.

    Raises InitError when the request is denied, fails or is not answered; ApiError."""
    try:
        issued = await request.obtain(client, node, clock=clock, timeout=timeout, prefix="node-csr-")
    except request.RequestError as error:
        raise InitError(str(error)) from None
    write_file(current(directory), issued.certificate + issued.key, secret=True)
