"""`python -m etcdlite` over TLS, with the real etcdctl: who may connect, who they are, and files renewed meanwhile."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_etcdctl import Etcdctl, watching
from tests.support.authority import Authority
from tests.support.etcd import start_etcdlite

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        shutil.which("etcdctl") is None, reason="etcdctl is not installed (apt-get install etcd-client)"
    ),
]

HERE = ["127.0.0.1"]


class Host:
    """A directory with an authority's files; a server that uses them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority()
        self.ca = str(directory / "ca.pem")
        Path(self.ca).write_bytes(self.authority.pem)
        self.cert, self.key = self.authority.write(directory, "server", "server", HERE)
        self.url = ""

    @contextlib.contextmanager
    def serving(self, *flags: str) -> Iterator[None]:
        process, self.url = start_etcdlite(
            *("--cert-file", self.cert, "--key-file", self.key, "--data-dir", str(self.directory / "data")),
            *("--listen-client-urls", "https://127.0.0.1:0", "--bcrypt-cost", "4", *flags),
        )
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(20) == 0, "SIGTERM ends it in order"
            assert process.stdout is not None
            process.stdout.close()

    def ctl(self, client: tuple[str, str] | None = None, *flags: str, ca: str = "") -> Etcdctl:
        """etcdctl with a client's certificate, or with none."""
        shown = [f"--cert={client[0]}", f"--key={client[1]}"] if client else []
        return Etcdctl(self.url, f"--cacert={ca or self.ca}", *shown, *flags)

    def client(self, name: str, hosts: list[str] | None = None, *, by: Authority | None = None) -> tuple[str, str]:
        return (by or self.authority).write(self.directory, f"client-{name}", name, hosts or [])

    def admits(self, client: tuple[str, str] | None = None, *, ca: str = "") -> bool:
        """Whether the two agree on a connection and the server begins to speak. (etcdctl would try for seconds.)"""
        context = ssl.create_default_context(cafile=ca or self.ca)
        context.set_alpn_protocols(["h2"])
        if client:
            context.load_cert_chain(*client)
        try:
            with self.connect(context) as connection:
                connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
                return bool(connection.recv(1))
        except (ssl.SSLError, ConnectionError):
            return False

    def connect(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        host, _, port = self.url.removeprefix("https://").rpartition(":")
        return context.wrap_socket(socket.create_connection((host, int(port)), timeout=10), server_hostname=host)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def replace(path: str, content: bytes) -> None:
    """In one step, with a time of its own."""
    draft = Path(f"{path}.new")
    draft.write_bytes(content)
    stamp = os.stat(path).st_mtime_ns + 1_000_000
    os.utime(draft, ns=(stamp, stamp))
    draft.replace(path)


# ---- who may connect, and who they are ----------------------------------------------------------------------------


def test_the_name_of_a_client_certificate_is_the_user(host: Host) -> None:
    root, user, unknown = host.client("root"), host.client("app"), host.client("unknown")
    with host.serving("--trusted-ca-file", host.ca, "--client-cert-auth"):
        admin = host.ctl(root)
        admin("put", "app/k", "1")
        admin("user", "add", "root", "--no-password") if _knows_no_password() else admin("user", "add", "root:pw")
        admin("user", "add", "app:pw")
        admin("user", "grant-role", "root", "root")
        admin("role", "add", "app")
        admin("role", "grant-permission", "app", "read", "app/", "--prefix")
        admin("user", "grant-role", "app", "app")
        admin("auth", "enable")
        assert host.ctl(user)("get", "app/k", "--print-value-only") == "1\n"
        assert "permission denied" in host.ctl(user).run("put", "app/k", "2").stderr
        assert "permission denied" in host.ctl(unknown).run("get", "app/k").stderr
        assert admin("user", "list").split() == ["app", "root"]
        named = host.ctl(unknown, "--user=app:pw")
        assert named("get", "app/k", "--print-value-only") == "1\n", "a password counts more"
        assert host.admits(user) and not host.admits(), "no certificate, no connection"
        admin("auth", "disable")


def _knows_no_password() -> bool:
    environment = {**os.environ, "ETCDCTL_API": "3"}
    asked = subprocess.run(
        ["etcdctl", "user", "add", "--help"], env=environment, capture_output=True, text=True, check=False
    )
    return "--no-password" in asked.stdout


def test_an_authority_alone_demands_certificates_and_takes_no_names(host: Host) -> None:
    root, stranger = host.client("root"), host.client("stranger", by=Authority("another"))
    with host.serving("--trusted-ca-file", host.ca):
        admin = host.ctl(root)
        assert admin("put", "k", "v") == "OK\n"
        assert host.ctl(None, "--dial-timeout=1s", "--command-timeout=1s").run("get", "k").returncode != 0
        assert host.admits(root) and not host.admits() and not host.admits(stranger)
        admin("user", "add", "root:pw")
        admin("user", "grant-role", "root", "root")
        admin("auth", "enable")
        assert "user name is empty" in admin.run("get", "k").stderr
        assert host.ctl(root, "--user=root:pw")("get", "k", "--print-value-only") == "v\n"


def test_revoked_certificates_and_those_for_other_hosts_are_refused(host: Host) -> None:
    inside, revoked = host.client("inside", ["app.example.com"]), host.client("revoked", ["app.example.com"])
    outside, wild = host.client("outside", ["other.example.org"]), host.client("wild", ["*.example.com"])
    crl = host.directory / "revoked.crl"
    crl.write_bytes(host.authority.revoke(Path(revoked[0]).read_bytes()))
    flags = ["--trusted-ca-file", host.ca, "--client-crl-file", str(crl)]
    with host.serving(*flags, "--client-cert-allowed-hostname", "app.example.com"):
        assert host.ctl(inside)("put", "k", "v") == "OK\n"
        assert host.ctl(wild)("get", "k", "--print-value-only") == "v\n"
        assert host.admits(inside) and not host.admits(outside) and not host.admits(revoked)
        certificates = [Path(path).read_bytes() for path in (revoked[0], wild[0])]
        replace(str(crl), host.authority.revoke(*certificates))
        assert not host.admits(wild), "the list is read again"
        assert host.ctl(inside)("get", "k", "--print-value-only") == "v\n"


# ---- files renewed while it serves --------------------------------------------------------------------------------


def test_renewed_files_count_for_new_connections_and_old_ones_go_on(host: Host) -> None:
    old = host.client("old")
    with host.serving("--trusted-ca-file", host.ca):
        before = host.directory / "before.pem"
        before.write_bytes(host.authority.pem)
        ctl = host.ctl(old, ca=str(before))
        ctl("put", "k", "1")
        with watching(ctl, "k", "--rev=1") as line:
            assert [line() for _ in range(3)] == ["PUT", "k", "1"]
            renewed = Authority("renewed")
            certificate, key = renewed.issue("server", HERE)
            for path, content in ((host.cert, certificate), (host.key, key), (host.ca, renewed.pem)):
                replace(path, content)
            new = host.client("new", by=renewed)
            assert host.ctl(new)("put", "k", "2") == "OK\n"
            assert [line() for _ in range(3)] == ["PUT", "k", "2"], "the connection from before"
        assert host.admits(new)
        assert not host.admits(old), "its authority is trusted no more"
        assert not host.admits(new, ca=str(before)), "nor is the server's by who knows the old one"


def test_files_that_do_not_fit_change_nothing_until_they_do(host: Host) -> None:
    client = host.client("client")
    with host.serving("--trusted-ca-file", host.ca):
        ctl = host.ctl(client)
        ctl("put", "k", "v")
        certificate, key = host.authority.issue("server", HERE)
        fine = Path(host.cert).read_bytes()
        for broken in (certificate, b"", fine[: len(fine) // 2]):
            replace(host.cert, broken)  # with the key of before: half of a renewal
            assert ctl("get", "k", "--print-value-only") == "v\n"
        os.remove(host.ca)
        shown = host.directory / "shown.pem"
        shown.write_bytes(host.authority.pem)
        ctl = host.ctl(client, ca=str(shown))
        assert ctl("get", "k", "--print-value-only") == "v\n"
        Path(host.ca).write_bytes(host.authority.pem)
        replace(host.cert, certificate)
        replace(host.key, key)
        context = ssl.create_default_context(cafile=host.ca)
        context.load_cert_chain(*client)
        with host.connect(context) as connection:
            shown_now = connection.getpeercert(binary_form=True)
        assert shown_now == ssl.PEM_cert_to_DER_cert(certificate.decode())


# ---- versions, suites, a certificate of its own -------------------------------------------------------------------


def test_versions_and_cipher_suites(host: Host) -> None:
    old = ssl.create_default_context(cafile=host.ca)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    new = ssl.create_default_context(cafile=host.ca)
    with host.serving("--tls-min-version", "TLS1.3"):
        assert host.ctl()("put", "k", "v") == "OK\n"
        with host.connect(new) as connection:
            assert connection.version() == "TLSv1.3"
        with pytest.raises(ssl.SSLError):
            host.connect(old)
    suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    with host.serving("--cipher-suites", suite, "--tls-max-version", "TLS1.2"):
        assert host.ctl()("get", "k", "--print-value-only") == "v\n"
        with host.connect(new) as connection:
            assert (connection.version(), connection.cipher()) == (
                "TLSv1.2",
                ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2", 256),
            )
        old.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        with pytest.raises(ssl.SSLError):
            host.connect(old)


def test_a_certificate_that_signs_itself(host: Host) -> None:
    host.cert = host.key = ""
    made = host.directory / "data" / "fixtures" / "client" / "cert.pem"
    with host.serving("--auto-tls"):
        assert host.ctl(ca=str(made))("put", "k", "v") == "OK\n"
        first = made.read_bytes()
    assert (made.with_name("key.pem").stat().st_mode & 0o777) == 0o600
    with host.serving("--auto-tls"):
        assert host.ctl(ca=str(made))("get", "k", "--print-value-only") == "v\n"
        assert made.read_bytes() == first, "it stays"
