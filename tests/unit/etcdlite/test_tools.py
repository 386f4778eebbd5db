"""The tools, in this process: what they refuse and how they say so, and stores that do not run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from actors import System, SystemClock
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.store.log import Log
from etcdlite.tools import command, output
from machinery.rpc import LocalChannel
from tests.support.etcd import EtcdClient, pb

Tool = Callable[..., str]


@pytest.fixture
def tool(capsys: pytest.CaptureFixture[str]) -> Tool:
    def run(*words: object, code: int = 0) -> str:
        """What it printed; it ended with this code, and said in one line why it failed."""
        assert command.main([str(word) for word in words]) == code
        said = capsys.readouterr()
        if code:
            assert said.err.startswith("etcdlite: ") and said.err.count("\n") == 1
        return said.out + said.err

    return run


def store_of(directory: Path, *, puts: int = 200, size: int = 1) -> None:
    """A data directory with a key that was put so often."""

    async def fill() -> None:
        clock = SystemClock()
        app = EtcdLite(Config(data_dir=str(directory), unsafe_no_fsync=True), clock=clock)
        async with System(app.spec(), clock=clock):
            await app.ready()
            store = EtcdClient(LocalChannel(app.services()))
            for number in range(puts):
                await store.put(b"k%d" % (number % 10), b"%d" % number * size)

    asyncio.run(fill())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("saved")

    async def save() -> bytes:
        clock = SystemClock()
        app = EtcdLite(Config(), clock=clock)
        async with System(app.spec(), clock=clock):
            await app.ready()
            store = EtcdClient(LocalChannel(app.services()))
            for number in range(200):
                await store.put(b"k%d" % number, b"v")
            replies = [reply async for reply in store.maintenance.Snapshot(pb.SnapshotRequest())]
        return b"".join(reply.blob for reply in replies)

    (directory / "saved.db").write_bytes(asyncio.run(save()))
    return directory / "saved.db"


def test_what_a_restore_refuses(saved: Path, tmp_path: Path, tool: Tool) -> None:
    occupied, target = tmp_path / "occupied", tmp_path / "target"
    occupied.mkdir()
    (occupied / "file").touch()

    def restore(path: Path, *flags: str, code: int = 1, into: Path = target) -> str:
        return tool("snapshot", "restore", path, "--data-dir", into, *flags, code=code)

    assert "not empty" in restore(saved, into=occupied)
    assert "No such file" in restore(tmp_path / "absent")
    assert "needs a --bump-revision" in restore(saved, "--bump-revision=0", "--mark-compacted", code=2)
    assert "do not go back" in restore(saved, "--bump-revision=-1", code=2)
    assert "one member" in restore(saved, "--initial-cluster=a=http://a:1,b=http://b:1", code=2)
    assert "beyond the highest revision" in restore(saved, "--bump-revision=999999999999")
    whole, other = saved.read_bytes(), tmp_path / "other.db"
    other.write_bytes(whole[:-32])
    assert "--skip-hash-check" in restore(other)
    other.write_bytes(whole[:5000] + b"?" + whole[5001:])
    assert "expected sha256" in restore(other)
    assert "expected sha256" in tool("check", other, code=1)
    other.write_bytes(whole[: 2 * 4096])
    assert "damaged" in restore(other, "--skip-hash-check")
    other.write_bytes(b"text")
    assert "neither SQLite nor bbolt" in restore(other)
    other.write_bytes(b"")
    assert "it is empty" in restore(other)
    other.write_bytes(bytes(16) + b"\xed\xda\x0c\xed" + bytes(5000))
    assert "etcd on bbolt" in restore(other)
    assert {path.name for path in tmp_path.iterdir()} == {"occupied", "other.db"}, "nothing is left of what failed"


def test_a_file_that_was_copied_from_a_data_directory(saved: Path, tmp_path: Path, tool: Tool) -> None:
    copied = tmp_path / "store.db"
    copied.write_bytes(saved.read_bytes()[:-32])
    tool("snapshot", "restore", copied, "--data-dir", tmp_path / "data", "--skip-hash-check", "--bump-revision", 7)
    assert "revision 208" in tool("check", "--data-dir", tmp_path / "data")
    assert "revision 201" in tool("check", copied)


def test_without_a_bump_history_is_kept(saved: Path, tmp_path: Path, tool: Tool) -> None:
    told = tool("snapshot", "restore", saved, "--data-dir", tmp_path / "data", "--bump-revision", 0)
    assert "at revision 201\n" in told and "compacted" not in told
    file = Log.open(str(tmp_path / "data"))
    assert file.settings()["compacted"] == -1
    assert len(list(file.changes())) == 200
    file.close()


def test_a_store_that_does_not_run(tmp_path: Path, tool: Tool) -> None:
    data = tmp_path / "data"
    store_of(data, size=3000)
    before = (data / "store.db").stat().st_size
    assert tool("compact", 100, "--data-dir", data).startswith("compacted revision 100\n")
    assert "has been compacted" in tool("compact", 99, "--data-dir", data, code=1)
    assert "future revision" in tool("compact", 999, "--data-dir", data, code=1)
    assert tool("compaction", "--data-dir", data).startswith("compacted revision 201\n")
    assert "Finished defragmenting directory" in tool("defrag", "--data-dir", data)
    assert (data / "store.db").stat().st_size < before / 5
    assert "whole; revision 201, 10 changes" in tool("check", "--data-dir", data)
    for words in (("check",), ("compact",), ("defrag",)):
        assert "no store has been here" in tool(*words, "--data-dir", tmp_path, code=1)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(["snapshto"], "did you mean snapshot?", id="command"),
        pytest.param(["snapshot", "x"], "use save, restore, status", id="snapshot"),
        pytest.param(["snapshot", "save"], "required: FILE", id="argument"),
        pytest.param(["compact", "0"], "0 is no revision", id="revision"),
        pytest.param(["check", "a", "--data-dir", "b"], "not both", id="both"),
        pytest.param(["check", "--nope"], "unrecognized arguments: --nope", id="flag"),
    ],
)
def test_wrong_command_lines(words: list[str], text: str, tool: Tool) -> None:
    assert text in tool(*words, code=2)


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("127.0.0.1:1", "127.0.0.1:1: cannot be reached: connection refused; is it running there?"),
        ("ftp://x:1", "is not HOST:PORT"),
        ("foo:bar", "--endpoints: 'foo:bar' is not HOST:PORT"),
        ("http://foo", "is not HOST:PORT"),
        ("store.invalid:2379", "store.invalid:2379: cannot be reached: its host is not known"),
        ("unix:///nowhere", "unix:///nowhere: cannot be reached: there is no such socket; is it running there?"),
        ("a:1,b:1", "one store at a time"),
    ],
)
def test_a_store_that_is_not_there(endpoint: str, text: str, tmp_path: Path, tool: Tool) -> None:
    target = tmp_path / "saved.db"
    target.write_text("before")
    assert text in tool("snapshot", "save", target, "--endpoints", endpoint, code=1)
    assert target.read_text() == "before" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (20480, "20 kB"), (1_234_567, "1.2 MB"), (9_960_000, "10 MB")],
)
def test_sizes(count: int, text: str) -> None:
    assert output.size(count) == text
