"""Kubernetes' own control plane on a store of ours.

`$KUBE_APISERVER` names the API server's binary; the controller manager and the scheduler run where they lie beside it.
No package of Debian 12 brings these, so where the variable is not set the tests that want them are skipped.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from machinery import manifest
from machinery.pki.request import subject
from tests.support.etcd import free_port


@functools.cache
def kube_apiserver() -> str | None:
    """The real API server: `$KUBE_APISERVER`, else the one on PATH; None without one."""
    return shutil.which(os.environ.get("KUBE_APISERVER") or "kube-apiserver")


def beside(name: str) -> str | None:
    """Another component of the same Kubernetes; None when it is not there."""
    binary = kube_apiserver()
    return shutil.which(pathlib.Path(binary).with_name(name)) if binary else None


@dataclass(frozen=True)
class ControlPlane:
    """What runs. kubeconfig: an administrator's. logs: what each component printed."""

    kubeconfig: pathlib.Path
    logs: pathlib.Path

    def log(self, component: str) -> str:
        return (self.logs / f"{component}.log").read_text(errors="replace")


@contextlib.contextmanager
def control_plane(directory: pathlib.Path, store: str) -> Iterator[ControlPlane]:
    """kube-apiserver on the store at this URL, ready; the controller manager and the scheduler where they are."""
    binary = kube_apiserver()
    assert binary is not None
    port = free_port()
    made = _credentials(directory, port)
    with contextlib.ExitStack() as running:

        def run(binary: str, *flags: str) -> subprocess.Popen[bytes]:
            log = running.enter_context((directory / f"{pathlib.Path(binary).name}.log").open("wb"))
            process = subprocess.Popen([binary, *flags], cwd=directory, stdout=log, stderr=log)
            running.callback(process.wait)
            running.callback(process.kill)
            return process

        process = run(
            binary,
            *(f"--etcd-servers={store}", f"--secure-port={port}", "--bind-address=127.0.0.1"),
            *(f"--cert-dir={directory}/certs", f"--client-ca-file={directory}/ca.pem", "--authorization-mode=RBAC"),
            *(
                f"--service-account-key-file={directory}/sa.pem",
                f"--service-account-signing-key-file={directory}/sa.pem",
            ),
            *("--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16"),
            *("--etcd-compaction-interval=5s", "--disable-admission-plugins=ServiceAccount"),
        )
        _await_ready(process, made, directory)
        common = (f"--kubeconfig={made}", "--leader-elect=false", "--port=0")
        if manager := beside("kube-controller-manager"):
            run(manager, *common, "--node-monitor-grace-period=1h")
        if scheduler := beside("kube-scheduler"):
            run(scheduler, *common)
        yield ControlPlane(made, directory)


def _await_ready(process: subprocess.Popen[bytes], kubeconfig: pathlib.Path, directory: pathlib.Path) -> None:
    deadline = time.monotonic() + 60
    ask = ["kubectl", f"--kubeconfig={kubeconfig}", "get", "--raw", "/readyz"]
    while subprocess.run(ask, capture_output=True, check=False).stdout != b"ok":
        said = (directory / "kube-apiserver.log").read_text(errors="replace")[-2000:]
        assert process.poll() is None, f"kube-apiserver ended with {process.returncode}: {said}"
        assert time.monotonic() < deadline, f"kube-apiserver is not ready: {said}"
        time.sleep(0.2)


def _credentials(directory: pathlib.Path, port: int) -> pathlib.Path:
    """An authority, an administrator's certificate, a key for tokens; the administrator's kubeconfig."""
    now = datetime.datetime.now(datetime.UTC)
    authority_key, admin_key, tokens_key = (rsa.generate_private_key(65537, 2048) for _ in range(3))

    def certificate(name: x509.Name, key: rsa.RSAPrivateKey, *, authority: bool) -> bytes:
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(subject("authority", []))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(authority_key, hashes.SHA256())
        )
        return built.public_bytes(serialization.Encoding.PEM)

    def pem(key: rsa.RSAPrivateKey) -> bytes:
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    files = {
        "ca.pem": certificate(subject("authority", []), authority_key, authority=True),
        "admin.pem": certificate(subject("admin", ["system:masters"]), admin_key, authority=False),
        "admin.key": pem(admin_key),
        "sa.pem": pem(tokens_key),
    }
    for name, content in files.items():
        (directory / name).write_bytes(content)
    user = {"client-certificate": f"{directory}/admin.pem", "client-key": f"{directory}/admin.key"}
    server = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    path = directory / "admin.conf"
    path.write_text(
        manifest.dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "real", "cluster": server}],
                "users": [{"name": "admin", "user": user}],
                "contexts": [{"name": "real", "context": {"cluster": "real", "user": "admin"}}],
                "current-context": "real",
            }
        )
    )
    return path
