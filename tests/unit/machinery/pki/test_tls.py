"""TLS material, proven by handshakes."""

from __future__ import annotations

import asyncio
import datetime
import os
import ssl
from pathlib import Path

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from actors import ChildSpec, System, SystemClock
from machinery.pki.tls import (
    Held,
    Identity,
    TlsError,
    TlsFiles,
    channel_credentials,
    client_context,
    load_chain,
    reloading_server_credentials,
    server_context,
)
from machinery.rpc.server import GrpcServer

NOW = datetime.datetime.now(datetime.UTC)


class Authority:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.cert = (
            self._builder(name, name, self.key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.pem = self.cert.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        cert = (
            self._builder(subject, self.cert.subject, key)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return Identity(
            cert=cert.public_bytes(serialization.Encoding.PEM),
            key=key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            ca=self.pem,
        )

    @staticmethod
    def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - datetime.timedelta(hours=1))
            .not_valid_after(NOW + datetime.timedelta(hours=1))
        )


async def served_name(port: int, client: ssl.SSLContext) -> str:
    """The common name that a server shows on a new connection."""
    _, writer = await asyncio.open_connection("localhost", port, ssl=client)
    certificate = writer.get_extra_info("ssl_object").getpeercert()
    writer.close()
    await writer.wait_closed()
    return str(dict(pair[0] for pair in certificate["subject"])["commonName"])


async def test_https_shows_the_certificate_and_takes_a_renewed_one() -> None:
    authority = Authority()
    first, second = authority.issue("first"), authority.issue("second")
    context = server_context(certificate=first.cert, key=first.key)
    client = client_context(ca=authority.pem)

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(greet, "localhost", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await served_name(port, client) == "first"
        load_chain(context, certificate=second.cert, key=second.key)
        assert await served_name(port, client) == "second"
        with pytest.raises(TlsError, match="do not go together"):
            load_chain(context, certificate=first.cert, key=second.key)
        assert await served_name(port, client) == "second"
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            await served_name(port, client_context(ca=Authority().pem))


async def test_grpc_demands_client_certificates_and_reloads_files(tmp_path: Path) -> None:
    authority = Authority()
    files = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem")

    def write(identity: Identity, authorities: bytes, age: int) -> None:
        for path, data in ((files.cert, identity.cert), (files.key, identity.key), (files.ca, authorities)):
            assert path is not None
            path.write_bytes(data)
            os.utime(path, (age, age))

    write(authority.issue("server"), authority.pem, 1)
    credentials = reloading_server_credentials(files, require_client=True)
    addresses: list[str] = []
    server = ChildSpec(
        "server", lambda: GrpcServer({}, ["localhost:0"], credentials=credentials, bound=addresses.extend)
    )

    async def reachable(identity: Identity) -> bool:
        async with grpc.aio.secure_channel(addresses[0], channel_credentials(identity)) as channel:
            call = channel.unary_unary("/none.None/None")(b"")
            return await call.code() is grpc.StatusCode.UNIMPLEMENTED

    async with System(server, clock=SystemClock()):
        assert await reachable(authority.issue("client"))
        assert not await reachable(Identity(ca=authority.pem))
        other = Authority()
        write(other.issue("server"), other.pem, 2)
        assert await reachable(other.issue("client"))
        assert not await reachable(authority.issue("client"))


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    authority = Authority()
    with pytest.raises(TlsError, match=f"cannot read {tmp_path}/none: No such file"):
        TlsFiles(ca=tmp_path / "none").read()
    with pytest.raises(TlsError, match="needs its key"):
        Identity(cert=b"x")
    with pytest.raises(TlsError, match="do not go together"):
        server_context(certificate=authority.issue("a").cert, key=authority.issue("b").key)
    with pytest.raises(TlsError, match="needs its key"):
        client_context(certificate=authority.issue("a").cert)
    with pytest.raises(TlsError, match="authority is not PEM"):
        client_context(ca=b"nonsense")
    serving = authority.issue("a")
    with pytest.raises(TlsError, match="without a certificate authority"):
        reloading_server_credentials(Held(Identity(serving.cert, serving.key)), require_client=True)


def test_a_key_is_not_shown() -> None:
    assert "secret" not in repr(Identity(cert=b"public", key=b"secret"))


async def test_a_client_certificate_is_asked_for_and_checked_when_shown() -> None:
    authority, other = Authority(), Authority()
    serving = authority.issue("server")
    context = server_context(certificate=serving.cert, key=serving.key, client_ca=authority.pem)
    seen: list[object] = []

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peercert"))
        writer.write(b"ahoy")
        writer.close()

    async def answer(port: int, shown: Identity | None) -> bytes:
        pair = {"certificate": shown.cert, "key": shown.key} if shown else {}
        client = client_context(ca=authority.pem, **pair)
        reader, writer = await asyncio.open_connection("localhost", port, ssl=client)
        try:
            return await reader.read()
        except (ssl.SSLError, ConnectionError):
            return b"refused"
        finally:
            writer.close()

    server = await asyncio.start_server(greet, "localhost", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await answer(port, None) == b"ahoy"
        assert await answer(port, authority.issue("known")) == b"ahoy"
        assert "known" in str(seen)
        assert await answer(port, other.issue("stranger")) in (b"", b"refused")
        assert "stranger" not in str(seen)
