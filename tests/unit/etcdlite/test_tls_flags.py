"""TLS that cannot be served is told before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdlite.__main__ import main
from tests.support.authority import Authority

TLS = ["--listen-client-urls", "https://127.0.0.1:0"]
PAIR = ["--cert-file", "server.pem", "--key-file", "server.key"]


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        pytest.param([], "https needs --cert-file and --key-file", id="nothing"),
        pytest.param(["--cert-file", "server.pem"], "https needs --cert-file and --key-file", id="no key"),
        pytest.param(["--cert-file", "none.pem", "--key-file", "server.key"], "cannot read none.pem", id="missing"),
        pytest.param(["--cert-file", "server.pem", "--key-file", "other.key"], "other.key", id="no pair"),
        pytest.param(["--cert-file", "text", "--key-file", "server.key"], "text", id="no certificate"),
        pytest.param([*PAIR, "--trusted-ca-file", "none"], "cannot read none", id="missing authority"),
        pytest.param([*PAIR, "--trusted-ca-file", "text"], "authority is not PEM", id="no authority"),
        pytest.param(
            [*PAIR, "--client-cert-auth"], "client-cert-auth needs --trusted-ca-file", id="no authority given"
        ),
        pytest.param([*PAIR, "--client-crl-file", "x"], "client-crl-file needs --trusted-ca-file", id="list alone"),
        pytest.param(
            [*PAIR, "--trusted-ca-file", "ca.pem", "--client-crl-file", "text"], "revoked certificates", id="no list"
        ),
        pytest.param([*PAIR, "--tls-min-version", "TLS1.1"], "neither TLS1.2 nor TLS1.3", id="version"),
        pytest.param([*PAIR, "--cipher-suites", "RC4"], "'RC4' is not known", id="suite"),
        pytest.param(["--auto-tls"], "auto-tls needs --data-dir", id="nowhere to keep it"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "text").write_text("not PEM")
    for name in ("server", "other"):
        authority.write(tmp_path, name, name, ["127.0.0.1"])
    assert main([*TLS, *flags]) in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("etcdlite: ") and text in line
