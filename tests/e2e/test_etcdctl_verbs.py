"""Every verb of etcdctl that reads or changes keys, against `python -m etcdlite` and a real etcd side by side: what is
printed, and with what exit code, must be the same. `$ETCDCTL` names another etcdctl than the one on PATH."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.e2e.test_etcdctl import ETCDCTL, Etcdctl, watching
from tests.support.etcd import EtcdliteProcess, EtcdProcess, StoreProcess, etcd_binary

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(ETCDCTL is None, reason="etcdctl is not installed (apt-get install etcd-client)"),
    pytest.mark.skipif(etcd_binary() is None, reason="etcd is not installed (apt-get install etcd-server)"),
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Etcdctl]]:
    """etcdctl for an etcdlite, and for an etcd, to which the same was said from their beginning."""
    tmp_path = tmp_path_factory.mktemp("pair")
    processes: list[StoreProcess] = []
    for name, kind in (("etcdlite", EtcdliteProcess), ("etcd", EtcdProcess)):
        (tmp_path / name).mkdir()
        processes.append(kind(tmp_path / name))
    try:
        for process in processes:
            process.start()
        yield [Etcdctl(f"http://{process.address}") for process in processes]
    finally:
        for process in processes:
            process.kill()


def told(ctl: Etcdctl, arguments: Sequence[str], stdin: str = "") -> tuple[int, str, str]:
    """(exit code, output, the error's text), without what names the server or its moment."""
    done = ctl.run(*arguments, stdin=stdin)
    output = done.stdout.replace(ctl.url, "URL").replace(ctl.url.removeprefix("http://"), "ADDRESS")
    output = re.sub(r'"(cluster_id|member_id|raft_term|ID)":\d+', r'"\1":0', output)
    output = re.sub(r"\"(ClusterID|MemberID|RaftTerm)\" : \d+", r'"\1" : 0', output)
    error = re.search(r"desc = (.*)|Error: (.*)", done.stderr)
    return done.returncode, output, (error[1] or error[2]).partition('"}')[0] if error else ""


KEYS = [["put", f"k{number}", f"v{number % 3}"] for number in range(5)]
SCRIPT = 'mod("k1") > "1"\nvalue("k2") = "v2"\ncreate("none") = "0"\n\nput k1 x\nget k1\ndel k2\n\nget k0\n\n'
DIALOGUES = {
    "get": [
        *KEYS,
        ["put", "k1", "again", "--prev-kv"],
        ["get", "k1"],
        ["get", "k1", "--consistency=s"],
        ["get", "k", "k3"],
        ["get", "k", "--prefix"],
        ["get", "k2", "--from-key", "--keys-only"],
        ["get", "k", "--prefix", "--limit=2", "--print-value-only"],
        ["get", "k", "--prefix", "--order=DESCEND", "--sort-by=VALUE", "--limit=2"],
        ["get", "k", "--prefix", "--order=DESCEND", "--sort-by=MODIFY", "--keys-only"],
        ["get", "k", "--prefix", "--order=ASCEND", "--sort-by=VERSION", "-w", "json"],
        ["get", "k1", "--rev=3"],
        ["get", "k1", "--rev=99"],
        ["get", "none"],
        ["get", "k1", "-w", "fields"],
        ["get", "k", "--prefix", "-w", "json"],
        ["get", "", "--prefix", "--keys-only"],
        ["get", "k1", "--hex"],
        ["get", ""],
    ],
    "put and del": [
        *KEYS,
        ["put", "k1", "--ignore-value"],
        ["put", "none", "--ignore-value"],
        ["put", "k1", "x", "--lease=77"],
        ["put", "k1", "y", "--ignore-lease", "--prev-kv"],
        ["put", "", "x"],
        ["del", "none"],
        ["del", "k0", "--prev-kv"],
        ["del", "k1", "k3", "--prev-kv"],
        ["del", "k4", "--from-key"],
        ["del", "k", "--prefix", "-w", "json"],
        ["del", "", "--prefix"],
        ["get", "", "--from-key"],
    ],
    "txn": [
        *KEYS,
        (["txn"], SCRIPT),
        (["txn"], SCRIPT),
        (["txn", "-w", "json"], SCRIPT),
        (["txn"], '\nput a 1\nput a 2\n\n\n'),
        (["txn"], 'lease("k1") = "0"\nversion("k1") < "9"\n\nput k1 "a b"\nput k2 --prev-kv=true c\n\n\n'),
        ["get", "k", "--prefix"],
    ],
    "lease": [
        ["lease", "revoke", "77"],
        ["lease", "timetolive", "77"],
        ["lease", "keep-alive", "--once", "77"],
        ["lease", "grant", "99999999999"],
        ["lease", "list"],
    ],
    "compaction": [
        *KEYS,
        ["compaction", "4"],
        ["compaction", "4"],
        ["compaction", "5", "--physical"],
        ["compaction", "99"],
        ["get", "k1", "--rev=3"],
        ["get", "k1", "--rev=5"],
    ],
    "cluster": [
        ["alarm", "list"],
        ["alarm", "disarm"],
        ["endpoint", "health"],
        ["endpoint", "health", "--cluster"],
        ["move-leader", "1234"],
        ["member", "remove", "1234"],
        ["member", "update", "1234", "--peer-urls=http://127.0.0.1:1"],
        ["member", "promote", "1234"],
        ["auth", "disable"],
        ["user", "list"],
        ["role", "list"],
        ["user", "get", "none"],
        ["role", "get", "none"],
        ["auth", "enable"],
    ],
}  # fmt: skip


@pytest.mark.parametrize("dialogue", DIALOGUES)
def test_the_same_is_printed(pair: list[Etcdctl], dialogue: str) -> None:
    for line in DIALOGUES[dialogue]:
        arguments, stdin = line if isinstance(line, tuple) else (line, "")
        ours, theirs = (told(ctl, arguments, stdin) for ctl in pair)
        if arguments[:2] == ["endpoint", "health"]:  # it says how long it took
            ours, theirs = ((code, "", "") for code, _, _ in (ours, theirs))
        assert ours == theirs, arguments


def test_watches_print_the_same(pair: list[Etcdctl]) -> None:
    heard = []
    for ctl in pair:
        base = _revision(ctl)
        for key, value in (("w/a", "1"), ("w/b", "1"), ("w/a", "2")):
            ctl("put", key, value)
        with watching(ctl, "w/", "--prefix", f"--rev={base + 1}", "--prev-kv", "-w", "json") as line:
            past = json.loads(line())
        with watching(ctl, "w/a", "w/c", f"--rev={base + 1}", "--prev-kv") as line:
            lines = [line() for _ in range(3 + 3 + 5)]
            ctl("del", "w/a", "w/c")
            lines += [line() for _ in range(8)]
        heard.append(([(event["kv"]["key"], event["kv"]["mod_revision"]) for event in past["Events"]], lines))
    assert heard[0] == heard[1] and len(heard[0][0]) == 3


def _revision(ctl: Etcdctl) -> int:
    (status,) = ctl.json("endpoint", "status")
    return int(status["Status"]["header"]["revision"])


def test_a_lease_is_kept_alive(pair: list[Etcdctl]) -> None:
    for ctl in pair:
        lease = ctl("lease", "grant", "2").split()[1]
        ctl("put", "held", "1", f"--lease={lease}")
        with subprocess.Popen(
            [str(ETCDCTL), *ctl.flags, "lease", "keep-alive", lease],
            env={**os.environ, "ETCDCTL_API": "3"},
            stdout=subprocess.PIPE,
            text=True,
        ) as keeping:
            assert keeping.stdout is not None
            assert keeping.stdout.readline() == f"lease {lease} keepalived with TTL(2)\n"
            ctl("lease", "revoke", lease)
            said = keeping.stdout.readline()
            while "keepalived" in said:
                said = keeping.stdout.readline()
            assert said == f"lease {lease} expired or revoked.\n"
            keeping.wait(10)


def test_one_mirrors_the_other(pair: list[Etcdctl]) -> None:
    """`make-mirror` replicates etcdlite into etcd, and back under another prefix, while both change."""
    lite, etcd = pair
    lite("put", "m/early", "1")
    lite("put", "m/gone", "1")
    mirrors = [
        _mirror(lite, etcd, "--prefix=m/"),
        _mirror(etcd, lite, "--prefix=m/", "--dest-prefix=copy/"),
    ]
    try:
        _until(etcd, ["get", "m/", "--prefix", "--print-value-only"], "1\n1\n")
        _until(lite, ["get", "copy/", "--prefix", "--print-value-only"], "1\n1\n")
        lite("del", "m/gone")
        for number in range(5):
            lite("put", "m/late", str(number))
        wanted = "m/early\n1\nm/late\n4\n"
        _until(etcd, ["get", "m/", "--prefix"], wanted)
        _until(lite, ["get", "copy/", "--prefix"], wanted.replace("m/", "copy/"))
    finally:
        for mirror in mirrors:
            mirror.kill()
            mirror.wait()


def _mirror(source: Etcdctl, target: Etcdctl, *flags: str) -> subprocess.Popen[Any]:
    command = [str(ETCDCTL), *source.flags, "make-mirror", *flags, target.url.removeprefix("http://")]
    return subprocess.Popen(command, env={**os.environ, "ETCDCTL_API": "3"}, stdout=subprocess.DEVNULL)


def _until(ctl: Etcdctl, arguments: list[str], output: str) -> None:
    """Ask again until that is the answer. Every question takes etcdctl some ten milliseconds."""
    said = ""
    for _ in range(300):
        if (said := ctl(*arguments)) == output:
            return
    raise AssertionError(f"{arguments} answers {said!r}, not {output!r}")


def test_hashes_of_every_member(pair: list[Etcdctl]) -> None:
    """A hash is of one kind of store alone, but told in the same form."""
    for ctl in pair:
        ctl("put", "k", "v")
        first = ctl("endpoint", "hashkv", "--cluster")
        revision = _revision(ctl)
        assert re.fullmatch(rf"http://127\.0\.0\.1:\d+, \d+(, {revision})?\n", first)
        assert ctl("endpoint", "hashkv", "--cluster") == first
        ctl("put", "k", "w")
        assert ctl("endpoint", "hashkv") != first
        assert ctl("endpoint", "hashkv", f"--rev={revision}").split(",")[1].split() == first.split(",")[1].split()
        (status,) = ctl.json("endpoint", "status", "--cluster")
        assert status["Status"]["header"]["revision"] == revision + 1
        assert status["Status"]["leader"] == status["Status"]["header"]["member_id"]
        (member,) = ctl.json("member", "list")["members"]
        assert member["clientURLs"] == [ctl.url] and member["ID"] == status["Status"]["leader"]
