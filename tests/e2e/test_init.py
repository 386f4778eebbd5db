"""`pilot init`: two on one host, what it refuses, a run that is killed and the next one; `pilot join` told wrong."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import re
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.etcd import free_port
from tests.support.hosts import Host, Running, children

PORTS = ("apiserver-bind-port", "grpc-port", "grpc-token-port", "etcd-port", "units-port")

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("hosts"), pytest.mark.timeout(300)]


def host(directory: pathlib.Path, name: str) -> Host:
    return Host(name, directory / name, "127.0.0.1", ports={flag: free_port() for flag in PORTS})


@dataclass(frozen=True)
class Joining:
    """A control plane, and the words that it printed for a host that shall join."""

    control: Host
    command: str
    directory: pathlib.Path

    @property
    def endpoint(self) -> str:
        return self.command.split()[2]

    @property
    def token(self) -> str:
        return self.command.split()[4]

    @property
    def hash(self) -> str:
        return self.command.split()[6]

    def refused(self, name: str, endpoint: str = "", **changed: str) -> str:
        """Join as `name` with other words than those; what it says."""
        words = {"token": self.token, "discovery-token-ca-cert-hash": self.hash, "discovery-timeout": "2s"}
        words |= {key.replace("_", "-"): value for key, value in changed.items()}
        node = Host(name, self.directory / name, "127.0.0.1")
        return node.refused(
            "join",
            endpoint or self.endpoint,
            *node.join_flags(),
            "--runtime=fake",
            *(f"--{key}={value}" for key, value in ({"node-name": name} | words).items()),
        )


@pytest.fixture(scope="module")
def joining(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Joining]:
    directory = tmp_path_factory.mktemp("join")
    control = host(directory, "control")
    with control.init() as running:
        yield Joining(control, running.until("  pilot join ", seconds=60).strip(), directory)


def up(running: Running) -> str:
    """Wait until init is done; its words for joining."""
    return running.until("  pilot join ", seconds=60).strip()


def test_two_on_one_host_and_a_third_that_finds_its_ports_taken(tmp_path: pathlib.Path) -> None:
    first, second = host(tmp_path, "first"), host(tmp_path, "second")
    third = Host("third", tmp_path / "third", "127.0.0.1", ports=first.ports)
    with first.init() as one, second.init() as two:
        up(one)
        up(two)
        for each in (first, second):
            assert "deployment" in each.pilot("units")
            each.pilot("create", "namespace", f"of-{each.name}")
        assert "of-first" in first.pilot("get", "namespaces")
        assert "of-first" not in second.pilot("get", "namespaces")
        said = third.init_refused()
        for flag, port in first.ports.items():
            assert re.search(
                rf"\[ERROR Port-{port}\]: Port {port} is in use by \S+ -m \w+ \(pid \d+\); --{flag} chooses another",
                said,
            )
        assert not third.config_dir.exists()


def test_a_second_run_on_the_same_directories_goes_on_with_them(tmp_path: pathlib.Path) -> None:
    control = host(tmp_path, "control")
    with control.init() as running:
        first = up(running)
        control.pilot("create", "configmap", "kept", "--from-literal=a=b")
    untold = Host("control", control.directory, "127.0.0.1")
    assert "does not fit" in untold.init_refused("--grpc-port=1")
    with untold.init() as running:
        # The same token, authority and port, though no port was said.
        assert up(running) == first
        assert "kept" in untold.pilot("get", "configmaps")
        assert f":{control.ports['units-port']}" in (control.config_dir / "controllermgr.yaml").read_text()
        assert "deployment" in untold.pilot("units")


def test_the_store_of_another_control_plane_is_refused(tmp_path: pathlib.Path) -> None:
    control = host(tmp_path, "control")
    other = host(tmp_path, "other")
    data = f"--data-dir={control.directory / 'var'}"
    with control.init() as running:
        up(running)
        said = other.init_refused(data)
        assert re.search(r"\[ERROR DirAvailable-\S+\]: \S+/var/etcd is in use by \S+ -m etcdlite \(pid \d+\)", said)
    assert f"{control.directory / 'var' / 'etcd'} is not empty" in other.init_refused(data)
    assert not other.config_dir.exists()
    with control.init() as running:
        up(running)


@pytest.mark.parametrize("at", ["apiserver-etcd-client", "apiserver.yaml", "etcdlite is ready", "apiserver is ready",
                                "Using bootstrap token", "Configured RBAC"])  # fmt: skip
def test_a_run_that_is_killed_is_finished_by_the_next(tmp_path: pathlib.Path, at: str) -> None:
    control = host(tmp_path, "control")
    with control.init() as running:
        running.until(at, seconds=60)
        os.kill(running.pid, signal.SIGKILL)
    authority = (control.config_dir / "pki" / "ca.crt").read_bytes()
    with control.init() as running, host(tmp_path, "node").join(up(running), "fake") as node:
        node.until("has joined the cluster", seconds=60)
        assert (control.config_dir / "pki" / "ca.crt").read_bytes() == authority


@pytest.mark.parametrize("at", ["Requesting cluster-info", "Asking for a certificate", 'Wrote "kubelet.conf"'])
def test_a_join_that_is_killed_is_finished_by_the_next(joining: Joining, at: str) -> None:
    name = f"killed-{len(at)}"
    node = Host(name, joining.directory / name, "127.0.0.1")
    with node.join(joining.command, "fake") as agent:
        agent.until(at, seconds=60)
        os.kill(agent.pid, signal.SIGKILL)
    with node.join(joining.command, "fake") as agent:
        agent.until("has joined the cluster", seconds=60)


def test_a_component_that_is_killed_is_one_line_and_started_again(tmp_path: pathlib.Path) -> None:
    control = host(tmp_path, "control")
    log = control.directory / "var" / "log" / "etcdlite.log"
    with control.init() as running:
        up(running)
        os.kill(running.children()["etcdlite"], signal.SIGKILL)
        line = running.until("etcdlite", seconds=30)
        assert line == f"etcdlite was killed by signal SIGKILL; starting it again (its log: {log})"
        assert running.until("etcdlite", seconds=30) == "etcdlite is ready"
        control.pilot("create", "configmap", "afterwards")
    said = running.output
    assert "Traceback" not in said
    assert "WARNING" not in said


def test_a_component_that_cannot_run_says_why(tmp_path: pathlib.Path) -> None:
    control = host(tmp_path, "control")
    control.init_phase("config")
    control.configure("scheduler", no_such_flag=1)
    with control.init() as running:
        line = running.until("scheduler ended", seconds=60)
        assert re.match(r"scheduler ended with code 2: .*no-such-flag.*; starting it again \(its log: ", line)
        assert re.search(r"; starting it again in \d+ s \(", running.until(" s (its log", seconds=60))


def test_detached_it_says_what_it_does(tmp_path: pathlib.Path) -> None:
    control = host(tmp_path, "control")
    said = control.init_detached()
    try:
        for line in ('Generated "ca" certificate', 'Wrote "apiserver.yaml"', "etcdlite is ready", "scheduler is ready"):
            assert line in said
        assert said.count("  pilot join 127.0.0.1:") == said.count("Your control plane is up") == 1
        record = json.loads((control.directory / "state" / "kubernetes" / "instance.json").read_text())
        os.kill(children(record["pid"])["etcdlite"], signal.SIGKILL)
        with control.start("tail", "--lines=+1", "--follow", record["log"]) as log:
            assert " WARNING cli.foreground  etcdlite was killed by" in log.until("etcdlite was killed", seconds=30)
    finally:
        control.pilot("down", "--name=kubernetes")


def test_detached_it_goes_on_when_nobody_reads(tmp_path: pathlib.Path) -> None:
    control = host(tmp_path, "control")
    control.init_phase("config")
    with control.init(detach=True) as running:
        running.until("etcdlite is ready", seconds=60)
        running.close()
        assert running.wait(seconds=60) == 141
    control.pilot("down", "--name=kubernetes")


def test_the_processes_see_their_certificates_renewed(tmp_path: pathlib.Path) -> None:
    control = host(tmp_path, "control")
    logs = control.directory / "var" / "log"
    with control.init() as running:
        up(running)
        for name in ("scheduler", "controller-manager", "apiserver-etcd-client", "etcd/server"):
            (control.config_dir / "pki" / f"{name}.crt").unlink()
        assert control.init_phase("certs").count("Generated") == 4
        for component in ("scheduler", "controllermgr", "apiserver"):
            with control.start("tail", "--lines=+1", "--follow", str(logs / f"{component}.log")) as log:
                log.until("client certificate renewed", seconds=60)
        control.pilot("create", "configmap", "afterwards")


def test_joining_with_a_hash_of_another_authority(joining: Joining) -> None:
    said = joining.refused("n", discovery_token_ca_cert_hash=f"sha256:{'0' * 64}")
    assert "cluster CA found in cluster-info ConfigMap is invalid" in said
    assert joining.hash in said


def test_joining_with_what_is_no_hash(joining: Joining) -> None:
    assert 'hash: "sha256:12" is not "sha256:" and 64 hex' in joining.refused(
        "n", discovery_token_ca_cert_hash="sha256:12"
    )


def test_joining_without_a_hash(joining: Joining) -> None:
    said = joining.refused("n", discovery_token_ca_cert_hash="")
    assert "--discovery-token-unsafe-skip-ca-verification" in said


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("nonsense", r'the bootstrap token was not of the form "\[a-z0-9\]\{6\}\.\[a-z0-9\]\{16\}"'),
        ("zzzzzz.0123456789abcdef", 'does not know a token with id "zzzzzz", or it has expired'),
        ("", "--token is needed for the first join: 'pilot token create --print-join-command' prints it"),
    ],
)
def test_joining_with_a_wrong_token(joining: Joining, token: str, why: str) -> None:
    assert re.search(why, joining.refused("n", token=token))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"node_name": "A_B"}, '--node-name: Invalid value: "a_b": a lowercase RFC 1123 subdomain must consist of'),
        ({"node_name": "a..b"}, '--node-name: Invalid value: "a..b": a lowercase RFC 1123 subdomain must'),
        ({"node_ip": "nowhere"}, '--node-ip: Invalid value: "nowhere": ip address is not valid'),
        ({"node_labels": "a=b,c"}, '--node-labels: Invalid value: "c": must be KEY=VALUE'),
        ({"node_labels": "a b=c"}, '--node-labels: Invalid value: "a b=c": name part must consist of'),
        ({"discovery_timeout": "0s"}, '--discovery-timeout: Invalid value: "0s": must be more than 0'),
    ],
)
def test_joining_with_what_cannot_be(joining: Joining, changed: dict[str, str], said: str) -> None:
    assert said in joining.refused("n", **changed)
    assert not (joining.directory / "n" / "node").exists()


@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["foreground", "detached"])
def test_joining_says_what_it_waits_for(joining: Joining, detach: tuple[str, ...]) -> None:
    node = Host("waiting", joining.directory / "waiting", "127.0.0.1")
    words = [*joining.command.split()[1:], *node.join_flags(), "--node-name=waiting", "--runtime=fake", *detach]
    words[words.index(joining.token)] = "zzzzzz.0123456789abcdef"
    with node.start(sys.executable, "-m", "cli", *words) as running:
        assert running.until("[", seconds=30) == f"[discovery] Requesting cluster-info from {joining.endpoint}"
        assert running.until("[", seconds=30) == (
            f'[discovery] {joining.endpoint}: the cluster does not know a token with id "zzzzzz", or it has expired; '
            "will try again, for 60 s in all"
        )


def test_controllers_are_steered_with_a_certificate(joining: Joining) -> None:
    assert "nodelifecycle" in joining.control.run(sys.executable, "-m", "cli", "units")
    said = joining.control.refused("units", "--token=nobodys")
    assert said.startswith("error: the controllers of this cluster are steered over mutual TLS")


def test_a_token_that_has_run_out_before_it_is_made(joining: Joining) -> None:
    said = joining.control.refused("token", "create", "--ttl=-5s")
    assert said == "error: a token cannot be good for -5s; 0 is for ever\n"


def test_the_tree_of_both_processes_that_listen(joining: Joining) -> None:
    text = joining.control.pilot("tree", "--depth=5")
    for name in ("feed", "definitions", "tunnels", "informers", "units", "elector", "deployment"):
        assert f"─ {name} " in text
    trees = json.loads(joining.control.pilot("tree", "-o", "json"))
    assert [tree["name"] for tree in trees] == ["apiserver", "controllermgr"]


def test_joining_with_a_wrong_secret(joining: Joining) -> None:
    wrong = f"{joining.token.partition('.')[0]}.{'0' * 16}"
    assert "the cluster's signature does not fit the token" in joining.refused("n", token=wrong)


def test_joining_with_a_token_that_has_expired(joining: Joining) -> None:
    token = joining.control.pilot("token", "create", "--ttl=1s").strip()
    identity = token.partition(".")[0]
    with joining.control.start(
        "kubectl", "get", "secrets", "-n", "kube-system", "--watch-only", "--output-watch-events"
    ) as gone:
        listed = joining.control.pilot("token", "list")
        if identity in listed:
            gone.until(f"bootstrap-token-{identity}", seconds=60)
    assert f'does not know a token with id "{identity}", or it has expired' in joining.refused("n", token=token)


def test_joining_where_nobody_listens(joining: Joining) -> None:
    endpoint = f"127.0.0.1:{free_port()}"
    assert f"{endpoint}: cannot be reached: Connection refused (waited 2 s)" in joining.refused("n", endpoint=endpoint)


def test_joining_something_that_is_no_cluster(joining: Joining) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"127.0.0.1:{silent.getsockname()[1]}"
        assert re.search(rf"{endpoint}: .+ \(waited 2 s\)", joining.refused("n", endpoint=endpoint))


def test_a_detached_join_shows_its_token_to_nobody(joining: Joining) -> None:
    node = Host("detached", joining.directory / "detached", "127.0.0.1")
    words = joining.command.split()[1:]
    node.pilot(*words, *node.join_flags(), "--node-name=detached", "--runtime=fake", "--detach")
    try:
        place = node.directory / "state" / "detached"
        record = json.loads((place / "instance.json").read_text())
        for pid in (record["pid"], *children(record["pid"]).values()):
            for file in ("cmdline", "environ"):
                assert joining.token.encode() not in pathlib.Path(f"/proc/{pid}/{file}").read_bytes()
        before = {path.name: path.stat().st_ino for path in place.iterdir()}
        again = node.refused(*words, *node.join_flags(), "--node-name=detached", "--runtime=fake", "--detach")
        assert 'named "detached" runs already' in again and "Its log" not in again
        assert {path.name: path.stat().st_ino for path in place.iterdir()} == before
    finally:
        node.pilot("down", "detached")


def test_joining_twice(joining: Joining) -> None:
    node = Host("twice", joining.directory / "twice", "127.0.0.1")
    with node.join(joining.command, "fake") as agent:
        agent.until("has joined the cluster", seconds=60)
        again = joining.refused("twice")
        assert 'named "twice" runs already' in again
        assert "or choose another --node-name" in again
        # Another host with the name of a node that lives.
        other = Joining(joining.control, joining.command, joining.directory / "elsewhere")
        joining.control.pilot("wait", "--for=condition=Ready", "node/twice", "--timeout=30s")
        assert 'a Node with name "twice" and status "Ready" already exists in the cluster' in other.refused("twice")
    # The same host again, when it is stopped: as another node, of another cluster, and as itself.
    assert 'this host is node "twice" already, not "other"' in joining.refused("twice", node_name="other")
    elsewhere = joining.refused("twice", discovery_token_ca_cert_hash=f"sha256:{'0' * 64}")
    assert f"this host has joined another cluster, https://{joining.endpoint}" in elsewhere
    with node.join(f"pilot join {joining.endpoint}", "fake") as agent:
        agent.until("has joined the cluster", seconds=60)


def test_a_nodes_certificate_is_renewed_while_its_pods_run(tmp_path: pathlib.Path) -> None:
    control, node = host(tmp_path, "control"), Host("node", tmp_path / "node", "127.0.0.1")
    control.init_phase("config")
    # The signer dates back by five minutes: what it signs for one minute is due for renewal within half of that.
    control.configure("controllermgr", cluster_signing_duration=60)
    with control.init() as running, node.join(up(running), "fake") as agent:
        agent.until("has joined the cluster", seconds=60)
        file = node.directory / "node" / "pki" / "kubelet-client-current.pem"
        control.pilot("create", "deployment", "web", "--image=nginx")
        control.pilot("rollout", "status", "deployment/web")
        with node.start("tail", "--lines=+1", "--follow", str(node.directory / "var/node/log/nodeagent.log")) as log:
            log.until("client certificate renewed node=node", seconds=60)
        requests = json.loads(control.pilot("get", "csr", "-o", "json"))["items"]
        own = [each for each in requests if each["spec"]["username"] == "system:node:node"]
        assert own
        assert {each["spec"]["signerName"] for each in own} == {"kubernetes.io/kube-apiserver-client-kubelet"}
        issued = [base64.b64decode(each["status"]["certificate"]) for each in own]
        assert any(file.read_bytes().startswith(each) for each in issued)
        # Its processes may die at any time: what is in the file is whole, and good for the next one.
        control_pid, agent_pid = running.children()["apiserver"], agent.children()["nodeagent"]
        os.kill(agent_pid, signal.SIGKILL)
        os.kill(control_pid, signal.SIGKILL)
        running.until("apiserver is ready", seconds=60)
        control.pilot("create", "deployment", "more", "--image=nginx")
        control.pilot("rollout", "status", "deployment/more")
        control.pilot("logs", "deployment/web")
