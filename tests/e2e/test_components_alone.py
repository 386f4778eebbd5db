"""Components as processes of their own, where what they need is not there: what they say, and that they end at once."""

from __future__ import annotations

import pathlib
import re
import signal
import sys

import pytest

from machinery import manifest
from tests.support.etcd import free_port
from tests.support.hosts import Host, Running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR) +[a-z_.]+  ")


@pytest.fixture
def here(tmp_path: pathlib.Path) -> Host:
    tmp_path.joinpath("home").mkdir()
    return Host("here", tmp_path / "home", "127.0.0.1")


def component(here: Host, *words: str) -> Running:
    return here.start(sys.executable, "-m", *words)


def kubeconfig(here: Host) -> pathlib.Path:
    """Of an API where nobody listens."""
    address = f"127.0.0.1:{free_port()}"
    path = here.directory / "dead.conf"
    reached = {"name": "pilothouse.dev/grpc", "extension": {"address": address, "tokenAddress": address}}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "dead", "cluster": {"server": f"https://{address}", "extensions": [reached]}}],
        "users": [{"name": "dead", "user": {"token": "t"}}],
        "contexts": [{"name": "dead", "context": {"cluster": "dead", "user": "dead"}}],
        "current-context": "dead",
    }
    path.write_text(manifest.dump(document))
    return path


def ended(running: Running) -> str:
    """All that it says until it ends, when it is told to."""
    running.signal(signal.SIGTERM)
    return running.rest(seconds=30)


def test_controllermgr_without_an_api_waits_and_says_so(here: Host) -> None:
    with component(here, "controllermgr", "--kubeconfig", str(kubeconfig(here))) as running:
        assert running.until("controllermgr", seconds=30).startswith(
            "controllermgr waits for the API at https://127.0."
        )
        assert "controllermgr ready" not in ended(running)


def test_apiserver_without_a_store_ends_at_once(here: Host) -> None:
    words = ("--bind-address=127.0.0.1", f"--secure-port={free_port()}")
    with component(here, "apiserver", *words, f"--etcd-servers=http://127.0.0.1:{free_port()}") as running:
        running.until("watch of the store broke, will retry", seconds=30)
        assert "did not stop in time" not in ended(running)


def test_etcdlite_logs_as_all_do(here: Host) -> None:
    with component(here, "etcdlite", f"--listen-client-urls=http://127.0.0.1:{free_port()}") as running:
        running.until("etcdlite ready", seconds=30)
        said = ended(running)
    logged = [line for line in said.splitlines() if "INFO" in line or "WARNING" in line]
    assert all(LOG_LINE.match(line) for line in logged), said


@pytest.mark.parametrize("name", ["A_B", "-a", "a..b"])
def test_nodeagent_refuses_what_is_no_name_of_a_node(here: Host, name: str) -> None:
    with component(
        here,
        "nodeagent",
        "--container-runtime-endpoint=fake",
        f"--node-name={name}",
        f"--kubeconfig={kubeconfig(here)}",
    ) as running:
        said = running.rest(seconds=30)
    assert said.startswith(
        f'nodeagent: node name: Invalid value: "{name.lower()}": a lowercase RFC 1123 subdomain must'
    )
