"""`up` and `down`: refusals in a line, data that survives a kill, two clusters in one kubeconfig."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess

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
        (["--bogus"], "unknown flag: --bogus"),
        (["extra"], "unexpected arguments: [extra]"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_started_is_refused(pilot: Pilot, flags: list[str], says: str) -> None:
    name = [] if "--name" in flags else ["--name", "second"]
    err = pilot.fails("up", *name, *flags)
    assert err.startswith("error: ") and says in err


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
    [("a: [", "error converting YAML"), ("contexts: 7", "must be a list"), ("", "")],
    ids=["yaml", "types", "empty"],
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
