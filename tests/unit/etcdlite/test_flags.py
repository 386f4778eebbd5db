"""etcd's flags, environment and file into our settings."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from actors import System, VirtualClock
from etcdlite import flags, logs
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.etcd_flags import BOOLEANS, VALUES
from machinery.process.settings import HelpAsked, SettingsError
from machinery.rpc import LocalChannel
from tests.support.etcd import EtcdClient


def parse(*words: str, **variables: str) -> flags.Parsed:
    return flags.parse(words, variables)


def problems(*words: str, **variables: str) -> Sequence[str]:
    with pytest.raises(SettingsError) as caught:
        parse(*words, **variables)
    return caught.value.problems


def test_flags_as_go_takes_them() -> None:
    for words in (("--name", "n"), ("--name=n",), ("-name", "n"), ("-name=n",)):
        assert parse(*words).config.name == "n"
    for word, value in (
        ("--client-cert-auth", True),
        ("--client-cert-auth=true", True),
        ("--client-cert-auth=1", True),
        ("--client-cert-auth=T", True),
        ("--client-cert-auth=false", False),
        ("--client-cert-auth=f", False),
    ):
        assert parse(word).config.client_cert_auth is value
    parsed = parse("--listen-client-urls", "http://a:1,http://b:2", "--listen-client-urls=http://c:3")
    assert parsed.config.listen_client_urls == ("http://a:1", "http://b:2", "http://c:3")
    assert parse("--quota-backend-bytes=-1").config.quota_backend_bytes == -1
    assert parse("--experimental-watch-progress-notify-interval=90s").config.watch_progress_notify_interval == 90
    assert parse("--watch-progress-notify-interval", "2m").config.watch_progress_notify_interval == 120
    assert parse("--listen-client-http-urls=http://a:1").config.listen_metrics_urls == ("http://a:1",)


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "etcd.yaml"
    file.write_text("name: file\nmax-txn-ops: 7\nlog-outputs: [stderr]\ndata-dir: /file\n")
    parsed = parse("--config-file", str(file), "--data-dir=/flag", ETCD_NAME="env", ETCD_DATA_DIR="/env")
    config = parsed.config
    assert (config.name, config.max_txn_ops, config.data_dir) == ("env", 7, "/flag")
    assert config.log_outputs == ("stderr",)
    assert parse(ETCD_NAME="theirs", ETCDLITE_NAME="ours").config.name == "ours"
    assert parse(ETCD_CONFIG_FILE=str(file)).config.max_txn_ops == 7


def test_a_file_has_etcds_sections(tmp_path: Path) -> None:
    file = tmp_path / "etcd.yaml"
    file.write_text(
        "client-transport-security:\n  cert-file: c\n  key-file: k\n  trusted-ca-file: a\n  client-cert-auth: true\n"
        "peer-transport-security:\n  cert-file: p\n  auto-tls: true\nheartbeat-interval: 100\nwal-dir:\n"
    )
    parsed = parse("--config-file", str(file))
    config = parsed.config
    assert (config.cert_file, config.key_file, config.trusted_ca_file) == ("c", "k", "a")
    assert config.client_cert_auth
    assert parsed.ignored == ["heartbeat-interval", "peer-auto-tls", "peer-cert-file"]


def test_what_cannot_matter_is_named() -> None:
    parsed = parse(
        "--snapshot-count=5", "--pre-vote", "--initial-cluster", "m=http://m:2380", ETCD_ELECTION_TIMEOUT="9"
    )
    assert parsed.ignored == ["election-timeout", "initial-cluster", "pre-vote", "snapshot-count"]
    assert parsed.config == Config()
    assert parse(ETCD_UNSUPPORTED_ARCH="arm64", ETCDCTL_API="3").ignored == [], "somebody else's variables"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--nam", "x"), "unknown flag --nam (did you mean --name?)"),
        (("--heartbeat-intervall=1",), "unknown flag --heartbeat-intervall (did you mean --heartbeat-interval?)"),
        (("serve",), "unexpected argument 'serve'"),
        (("--name",), "--name needs a value"),
        (("--max-txn-ops=x",), "--max-txn-ops: must be a whole number, not 'x'"),
        (("--initial-cluster=a=http://a:1,b=http://b:1",), "--initial-cluster: this store has one member"),
        (("--discovery-srv=example.com",), "--discovery-srv: there are no members to discover"),
        (("--enable-v2=true",), "--enable-v2: the v2 API is not served"),
        (("--log-level=loud",), "--log-level: must be one of debug"),
        (("--max-request-bytes=-1",), "--max-request-bytes: must be 1 or more, not -1"),
        (("--max-txn-ops", "0"), "--max-txn-ops: must be 1 or more, not 0"),
        (("--cache-bytes=-1Mi",), "--cache-bytes: must be 0 or more, not -1Mi"),
        (("--auth-token-ttl", "-1"), "--auth-token-ttl: must be 0 or more, not -1"),
        (("--watch-progress-notify-interval=-1s",), "--watch-progress-notify-interval: must be 0 or more, not -1s"),
        (("--name=",), "--name: must not be empty"),
        (("--data-dir", ""), "--data-dir: must name a directory, but is empty"),
        (("--auto-compaction-retention=foo",), "--auto-compaction-retention: 'foo' is no duration"),
        (
            ("--auto-compaction-mode=revision", "--auto-compaction-retention=1h"),
            "--auto-compaction-retention: '1h' is no number of revisions",
        ),
        (("--election-timeout=abc",), "--election-timeout: must be a whole number of 0 or more, not 'abc'"),
        (("--grpc-keepalive-timeout=abc",), "--grpc-keepalive-timeout: must be a duration, for example 500ms"),
        (("--pre-vote=maybe",), "--pre-vote: must be true or false, not 'maybe'"),
    ],
)
def test_what_is_refused(words: Sequence[str], text: str) -> None:
    (problem,) = problems(*words)
    assert problem.startswith(text)


def test_what_has_a_meaning_to_etcd_is_taken() -> None:
    config = parse("--auth-token-ttl=0", "--watch-progress-notify-interval=0", "--quota-backend-bytes=0").config
    assert (config.auth_token_ttl, config.watch_progress_notify_interval, config.quota_backend_bytes) == (0, 0, 0)
    assert parse("--corrupt-check-time=1m30.5s", "--warning-apply-duration", "0", "--max-wals=0").ignored
    assert parse(ETCD_NAME="", ETCD_MAX_TXN_OPS="", ETCD_ELECTION_TIMEOUT="").config == Config(), "it says nothing"
    (told,) = problems(ETCD_DATA_DIR="")
    assert told.startswith("$ETCD_DATA_DIR: must name a directory")


def test_a_problem_names_where_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "etcd.yaml"
    file.write_text("max-txn-ops: many\nnaem: x\n")
    told = problems("--config-file", str(file), ETCD_MAX_REQUEST_BYTES="lots", ETCD_PROXY="on")
    assert set(told) == {
        f"{file}: unknown key 'naem' (did you mean --name?)",
        "$ETCD_PROXY: the v2 API is not served",
        "$ETCD_MAX_REQUEST_BYTES: must be a whole number, not 'lots'",
        f"{file}: max-txn-ops: must be a whole number, not 'many'",
    }
    assert "cannot read /none" in problems("--config-file=/none")[0]
    file.write_text("[1]")
    assert "must hold a mapping" in problems("--config-file", str(file))[0]
    file.write_text("a: [")
    assert "is not YAML" in problems("--config-file", str(file))[0]
    for binary in (b"\xff\xfe\x00name: x", bytes(range(256)), b"name: \x01"):
        file.write_bytes(binary)
        (told,) = problems("--config-file", str(file))
        assert told.startswith(f"--config-file: {file} is not YAML") and "\n" not in told


def test_help_and_version() -> None:
    with pytest.raises(HelpAsked):
        parse("--help")
    with pytest.raises(flags.VersionAsked):
        parse("--version")
    text = flags.usage()
    assert "default: http://127.0.0.1:2379)" in text and "default: where it listens)" in text
    assert "None" not in text and not re.search(r"[a-z]_[a-z]", text), "flags are named as flags"
    assert "--quota-backend-bytes N" in text and "--config-file FILE" in text and "snapshot save|restore|status" in text


def test_every_flag_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "etcdlite.md").read_text()
    assert [name for name in flags.own() if f"`--{name}`" not in page] == []


def test_every_flag_of_etcd_is_known() -> None:
    """Of the etcd that is installed: ours, ignored or refused, but never unknown."""
    binary = shutil.which("etcd")
    if binary is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    done = subprocess.run([binary, "--help"], capture_output=True, text=True, check=False, timeout=20)
    lines = (line.split() for line in (done.stdout + done.stderr).splitlines() if line.startswith("  --"))
    theirs = {words[0].removeprefix("--") for words in lines if words}
    assert len(theirs) >= 80
    own = set(flags.own())
    unknown = theirs - own - set(BOOLEANS) - set(VALUES) - set(flags.ALIASES) - {"config-file", "help", "version"}
    assert not unknown
    assert not own & (set(BOOLEANS) | set(VALUES)), "a flag is ours or is not"


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_logs_go_where_they_should(
    tmp_path: Path, root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "log"
    logs.setup(Config(log_format="json", log_level="warn", log_outputs=("default", "stderr", "stdout", str(file))))
    assert len(root_logger.handlers) == 3
    logging.getLogger("etcdlite.test").info("not told")
    logging.getLogger("etcdlite.test").warning("told number=%d", 7)
    said = capsys.readouterr()
    assert file.read_text() == said.out == said.err
    assert '"level": "warn"' in said.out and '"msg": "told number=7"' in said.out
    file.rename(tmp_path / "rotated")
    logging.getLogger("etcdlite.test").error("again")
    assert '"msg": "again"' in file.read_text()


async def test_no_interval_of_progress_is_etcds_default() -> None:
    """And not one notification after the other."""
    clock = VirtualClock()
    app = EtcdLite(Config(watch_progress_notify_interval=0), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        client = EtcdClient(LocalChannel(app.services()))
        async with client.watching() as watch:
            await watch.create(b"k", progress_notify=True)
            began = clock.monotonic()
            reply = asyncio.ensure_future(watch.next())
            await clock.advance(seconds=599)
            assert not reply.done()
            await clock.advance(seconds=2)
            assert not (await reply).events and clock.monotonic() - began < 602
