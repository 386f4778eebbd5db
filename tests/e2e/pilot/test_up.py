"""`up` and `down`: refusals in a line, data that survives a kill, two clusters in one kubeconfig."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import yaml

from tests.e2e.pilot.conftest import Pilot
from tests.support.kubectl import newest


@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["foreground", "detached"])
@pytest.mark.parametrize("flag", ["--port", "--grpc-port", "--etcd-port"])
def test_a_taken_port_is_one_error(pilot: Pilot, flag: str, detach: tuple[str, ...]) -> None:
    server = yaml.safe_load(pilot.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    err = pilot.fails("up", "--name", "second", flag, server.rpartition(":")[2], *detach).splitlines()
    assert err[0] == f"error: listen tcp 127.0.0.1:{server.rpartition(':')[2]}: bind: address already in use"
    assert err[1:] == [f"Choose another port with {flag}."]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--name", "main"], "runs already"),
        (["--name", "A/b"], "is not a name"),
        (["--nodes", "-1"], "--nodes must be between"),
        (["--nodes", "x"], 'invalid argument "x"'),
        (["--port", "99999"], "--port must be between 0 and 65535"),
        (["--etcd-port", "99999"], "--etcd-port must be between 0 and 65535"),
        (["--controllers", "nosuch"], "'nosuch' is not in the list"),
        (["--data-dir", "/proc/nosuch"], "/proc/nosuch: No such file or directory"),
        (["--data-dir", "/dev/null"], "Not a directory"),
        (["--bind-address", "192.0.2.254"], "bind: cannot assign requested address\nChoose another address with"),
        (["--bind-address", "nosuch.invalid"], "--bind-address: lookup nosuch.invalid: "),
        (["--namespace", "ns"], "--namespace means nothing to up"),
        (["--kubeconfig", "/etc/passwd/x"], "cannot write /etc/passwd/x: /etc/passwd is not a directory"),
        (["--kubeconfig", "/proc/kubeconfig"], "cannot write /proc/kubeconfig: No such file or directory"),
        (["--kubeconfig", "/etc"], "error loading config file /etc: Is a directory"),
        (["--bogus"], "unknown flag: --bogus"),
        (["extra"], "unexpected arguments: [extra]"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_started_is_refused(pilot: Pilot, flags: list[str], says: str) -> None:
    name = [] if "--name" in flags else ["--name", "second"]
    err = pilot.fails("up", *name, *flags)
    assert err.startswith("error: ") and says in err


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        ("etcd/store.db", b"no database, but long enough to be read as one", "/etcd: cannot be used as data directory"),
        ("pki/ca.crt", b"no certificate", "/pki/ca.crt: holds no certificate; restore it, or remove "),
        ("pki/ca.key", b"no key", "/pki/ca.key: holds no private key; restore it, or remove "),
        ("pki/sa.key", b"no key", "/pki/sa.key: holds no private key; remove it for a new one"),
    ],
    ids=["store", "ca.crt", "ca.key", "sa.key"],
)
@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["foreground", "detached"])
def test_a_damaged_data_directory_is_named(
    alone: Pilot, path: str, content: bytes, says: str, detach: tuple[str, ...]
) -> None:
    alone("up", "--data-dir", "data", "--detach")
    alone("down")
    (alone.directory / "data" / path).write_bytes(content)
    err = alone.fails("up", "--data-dir", "data", *detach)
    assert err.startswith("error: --data-dir: data/") and says in err
    assert not list((alone.directory / "home").iterdir())


def test_a_store_with_a_damaged_page(alone: Pilot) -> None:
    alone("up", "--data-dir", "data", "--detach")
    alone("down")
    file = alone.directory / "data" / "etcd" / "store.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:16384] + b"Z" * (len(whole) - 16384))
    err = alone.fails("up", "--data-dir", "data").splitlines()
    assert err[-2].startswith("error: --data-dir: data/etcd: ") and "malformed" in err[-2]
    assert err[-1] == "Restore it from a copy, or begin anew in another directory."


def test_a_data_directory_in_use_names_its_user(alone: Pilot) -> None:
    alone("up", "--name", "first", "--data-dir", "data", "--detach")
    try:
        err = alone.fails("up", "--name", "second", "--data-dir", "data")
        assert "in use by process" in err
        assert err.endswith("; stop it first\nCluster \"first\" uses it: end that with 'pilot down first'.")
    finally:
        alone("down", "first")


@pytest.mark.parametrize("address", ["::1", "[::1]", "::"])
def test_ipv6(alone: Pilot, address: str) -> None:
    alone("up", "--bind-address", address, "--detach")
    try:
        assert "https://[::1]:" in alone.kubeconfig.read_text()
        assert alone("get", "nodes", "-o", "name") == "node/node-1\n"
        if newest():
            assert alone.kubectl("get", "nodes", "-o", "name") == "node/node-1\n"
    finally:
        alone("down")


FOREIGN = """
apiVersion: v1
kind: Config
clusters: [{name: prod, cluster: {server: "https://prod.example:6443"}}]
users: [{name: prod, user: {token: secret}}]
contexts: [{name: prod, context: {cluster: prod, user: prod}}]
current-context: prod
"""


def test_what_pilot_did_not_make_stays(alone: Pilot) -> None:
    alone.kubeconfig.write_text(FOREIGN)
    for detach in ((), ("--detach",)):
        err = alone.fails("up", "--name", "prod", *detach)
        assert err.startswith(
            f'error: {alone.kubeconfig} has a cluster and a context and a user named "prod" already, '
        )
        assert "Choose another --name" in err
    assert alone.kubeconfig.read_text() == FOREIGN


def test_what_was_current_before_is_current_again(alone: Pilot) -> None:
    alone.kubeconfig.write_text(FOREIGN)

    def current() -> str:
        found: str = yaml.safe_load(alone.kubeconfig.read_text())["current-context"]
        return found

    try:
        alone("up", "--name", "a", "--detach")
        alone("up", "--name", "b", "--detach")
        alone("up", "--name", "c", "--detach", "--use-context=false")
        assert current() == "b"
        alone("down", "c")
        assert current() == "b"
        alone("down", "a")
        assert current() == "b"
        alone("down", "--name", "b")
        assert yaml.safe_load(alone.kubeconfig.read_text()) == yaml.safe_load(FOREIGN) | {"preferences": {}}
        alone("up", "--name", "a", "--detach")
        alone("config", "delete-context", "prod")
        alone("down", "a")
        assert current() == ""
    finally:
        for name in "abc":
            alone.run("down", name)


def test_the_entry_goes_when_the_foreground_ends(alone: Pilot) -> None:
    alone.kubeconfig.write_text(FOREIGN)
    with alone.streaming("up", "--name", "a") as stream:
        stream.until("pilot down a")
        assert yaml.safe_load(alone.kubeconfig.read_text())["current-context"] == "a"
        code, _ = stream.ends(with_signal=signal.SIGINT)
    assert code == 0
    assert yaml.safe_load(alone.kubeconfig.read_text()) == yaml.safe_load(FOREIGN) | {"preferences": {}}
    assert not list((alone.directory / "home").iterdir())


def test_down_cleans_after_a_kill(alone: Pilot) -> None:
    alone.kubeconfig.write_text(FOREIGN)
    for _ in range(2):
        with alone.streaming("up", "--name", "a") as stream:
            stream.until("pilot down a")
            stream.ends(with_signal=signal.SIGKILL)
    said = alone("down", "a")
    assert "had ended already" in said and f"Its entry is taken out of {alone.kubeconfig}." in said
    assert yaml.safe_load(alone.kubeconfig.read_text()) == yaml.safe_load(FOREIGN) | {"preferences": {}}
    assert not list((alone.directory / "home").iterdir())


def test_ctrl_c_of_a_detached_start_ends_the_cluster(alone: Pilot) -> None:
    with alone.streaming("up", "--name", "a", "--nodes", "100", "--detach") as stream:
        stream.until("Starting")
        record = alone.directory / "home" / "a" / "instance.json"
        deadline = time.monotonic() + 30
        while not record.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process = json.loads(record.read_text())["pid"]
        assert stream.ends(with_signal=signal.SIGINT) == (130, "")
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert not list((alone.directory / "home").iterdir())


def test_a_cluster_that_starts_can_be_ended(alone: Pilot) -> None:
    with alone.streaming("up", "--name", "a", "--nodes", "200") as stream:
        stream.until("Starting")
        assert alone("down", "a") == 'Cluster "a" ended.\n'
        assert stream.ends()[0] == 130
    assert "no cluster named" in alone.fails("down", "a")


def test_a_detached_cluster_that_starts_can_be_ended(alone: Pilot) -> None:
    with alone.streaming("up", "--name", "a", "--nodes", "200", "--detach") as stream:
        stream.until("Starting")
        deadline = time.monotonic() + 30
        while not (alone.directory / "home" / "a" / "instance.json").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        alone("down", "a")
        assert stream.ends() == (1, "error: it was told to end before it was ready\n")


@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["foreground", "detached"])
def test_a_refused_second_start_touches_nothing(alone: Pilot, detach: tuple[str, ...]) -> None:
    place = alone.directory / "home" / "a"
    alone("up", "--name", "a", "--detach")
    try:
        before = {path.name: path.stat().st_ino for path in place.iterdir()}
        assert "log" in before
        err = alone.fails("up", "--name", "a", *detach)
        assert err.startswith('error: a cluster named "a" runs already') and "Its log" not in err
        assert {path.name: path.stat().st_ino for path in place.iterdir()} == before
    finally:
        alone("down", "a")
    assert not list((alone.directory / "home").iterdir())


@pytest.mark.parametrize("words", [["a", "b"], ["a", "--name", "b"]], ids=" ".join)
def test_down_ends_one(alone: Pilot, words: list[str]) -> None:
    assert alone.fails("down", *words).startswith("error: down ends one at a time, got a, b")


def test_a_detached_start_leaves_nobody_to_complain(alone: Pilot) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "cli", "up", "--detach"],
        env=alone.environment, cwd=alone.directory, text=True, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    try:
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        alone("down")


@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["foreground", "detached"])
def test_a_home_that_cannot_be_used_is_named(alone: Pilot, detach: tuple[str, ...]) -> None:
    err = alone.fails("up", *detach, PILOTHOUSE_HOME="/proc/nosuch")
    assert "/proc/nosuch/pilothouse" in err and "set PILOTHOUSE_HOME to a directory that can be written" in err


def test_data_survives_a_kill(alone: Pilot) -> None:
    words = ("up", "--name", "kept", "--data-dir", str(alone.directory / "data"), "--detach")
    alone(*words)
    try:
        alone("create", "configmap", "kept", "--from-literal=a=b")
        before = alone.json("configmap", "kept")
        record = json.loads(next((alone.directory / "home" / "kept").glob("*.json")).read_text())
        os.kill(record["pid"], signal.SIGKILL)
        alone(*words)
        assert alone.json("configmap", "kept") == before
    finally:
        alone("down", "--name", "kept")
    assert "no cluster named" in alone.fails("down", "--name", "kept")


def test_two_clusters_in_one_kubeconfig(alone: Pilot) -> None:
    try:
        for name in ("a", "b"):
            alone("up", "--name", name, "--detach")
            alone("create", "namespace", f"only-{name}")
        for name, other in (("a", "b"), ("b", "a")):
            alone("config", "use-context", name)
            assert alone("config", "current-context") == f"{name}\n"
            alone("get", "namespace", f"only-{name}")
            assert "NotFound" in alone.fails("get", "namespace", f"only-{other}")
            alone("--context", other, "get", "namespace", f"only-{other}")
            if newest():
                kubectl = subprocess.run(
                    [newest(), "get", "namespaces", "-o", "name"],
                    env={**alone.environment, "HOME": str(alone.directory)}, text=True, capture_output=True, check=True,
                )  # fmt: skip
                assert f"namespace/only-{name}\n" in kubectl.stdout
                assert f"only-{other}" not in kubectl.stdout
        alone("config", "set-context", "--current", "--namespace=only-b")
        alone("config", "use-context", "b")
        alone("config", "rename-context", "a", "c")
        assert set(alone("config", "get-contexts", "-o", "name").split()) == {"b", "c"}
        alone("config", "delete-context", "c")
        assert "no context exists" in alone.fails("config", "use-context", "c")
        assert "DATA+OMITTED" in alone("config", "view")
    finally:
        for name in ("a", "b"):
            alone.run("down", "--name", name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "error converting YAML"),
        ("contexts: 7", "contexts must be a list"),
        ("contexts: [{name: a, context: 7}]", "contexts[0].context must be a mapping"),
        ("current-context: [a]", "current-context must be a string"),
        ("users: [{name: a, user: {client-key-data: 7}}]", "users[0].user.client-key-data must be a string"),
        ("clusters: [{name: a, cluster: {extensions: [7]}}]", "clusters[0].cluster.extensions must be a list"),
        ("", ""),
    ],
)
def test_a_broken_kubeconfig(alone: Pilot, text: str, says: str) -> None:
    alone.kubeconfig.write_text(text)
    err = alone.fails("get", "pods")
    assert err.startswith("error: ") and says in err


def test_a_kubeconfig_that_only_kubectl_can_use(pilot: Pilot, tmp_path: pathlib.Path) -> None:
    config = yaml.safe_load(pilot.kubeconfig.read_text())
    config["clusters"][0]["cluster"].pop("extensions")
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    err = pilot.fails("get", "pods", "--kubeconfig", str(path))
    assert err.startswith("error: ") and "kubectl" in err


def test_nobody_answers(pilot: Pilot) -> None:
    assert pilot.fails("get", "pods", "--server", "127.0.0.1:1").startswith("error: cannot reach the server")
