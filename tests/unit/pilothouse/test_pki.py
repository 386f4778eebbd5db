"""Certificates that real TLS stacks accept, with the subjects Kubernetes reads users and groups from."""

from __future__ import annotations

import asyncio
import pathlib
import ssl
from datetime import UTC, datetime, timedelta

from cryptography import x509

from pilothouse import pki

NOW = datetime.now(UTC)


def test_issued_subject_carries_user_and_groups() -> None:
    pair = pki.Authority.create("pilothouse-ca", now=NOW).issue(
        "system:node:n1", now=NOW, organizations=["system:nodes"], client=True
    )
    assert x509.load_pem_x509_certificate(pair.certificate).subject.rfc4514_string() == (
        "CN=system:node:n1,O=system:nodes"
    )


def test_lifetime_counts_from_the_given_time() -> None:
    authority = pki.Authority.create("pilothouse-ca", now=NOW)
    pair = authority.issue("x", now=NOW, client=True, lifetime=timedelta(hours=1))
    assert pki.expires(pair.certificate) == (NOW + timedelta(hours=1)).replace(microsecond=0)


def test_key_files_are_private_and_load_again(tmp_path: pathlib.Path) -> None:
    pair = pki.Authority.create("pilothouse-ca", now=NOW).pair
    pair.save(tmp_path / "pki", "ca")
    assert (tmp_path / "pki/ca.key").stat().st_mode & 0o777 == 0o600
    assert pki.KeyPair.load(tmp_path / "pki", "ca") == pair
    assert sorted(path.name for path in (tmp_path / "pki").iterdir()) == ["ca.crt", "ca.key"]


def test_hash_is_of_the_public_key_alone() -> None:
    authority = pki.Authority.create("pilothouse-ca", now=NOW)
    assert pki.public_key_hash(authority.pair.certificate).startswith("sha256:")
    assert len(pki.public_key_hash(authority.pair.certificate)) == len("sha256:") + 64


async def test_mutual_tls_works_with_what_was_issued(tmp_path: pathlib.Path) -> None:
    authority = pki.Authority.create("pilothouse-ca", now=NOW)
    authority.pair.save(tmp_path, "ca")
    authority.issue("apiserver", now=NOW, names=["localhost", "127.0.0.1"], server=True).save(tmp_path, "server")
    authority.issue("admin", now=NOW, organizations=["system:masters"], client=True).save(tmp_path, "client")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.crt"))
    serving.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    serving.verify_mode = ssl.CERT_REQUIRED
    subjects: list[object] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        subjects.append(writer.get_extra_info("peercert")["subject"])
        writer.write(b"ahoy")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=serving)
    asking = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    asking.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1], ssl=asking)
    assert await reader.read() == b"ahoy"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    assert subjects == [((("organizationName", "system:masters"),), (("commonName", "admin"),))]
