"""What is known on this machine of what `pilot up`, `init` and `join` run: a record file per name, held by a lock.

The record is there while the cluster is; the lock says whether the process that wrote it still lives, so that a record
left behind by a crash is told from a running cluster. Directory: `$PILOTHOUSE_HOME`, else
`$XDG_STATE_HOME/pilothouse`, else `~/.local/state/pilothouse`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

import orjson

from machinery.pki.files import write_file

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


class InstanceError(Exception):
    """A name that cannot be used, or is in use."""


@dataclass(frozen=True, slots=True)
class Record:
    """A running cluster, control plane or node. command: what started it: up, init or join."""

    command: str
    name: str
    pid: int
    server: str
    grpc: str
    kubeconfig: str
    nodes: tuple[str, ...]
    data_dir: str
    """"" when everything is in memory."""
    log: str


def home(environ: Mapping[str, str] | None = None) -> pathlib.Path:
    """Where records are kept."""
    environ = os.environ if environ is None else environ
    if environ.get("PILOTHOUSE_HOME"):
        return pathlib.Path(environ["PILOTHOUSE_HOME"])
    state = environ.get("XDG_STATE_HOME") or str(pathlib.Path(environ.get("HOME") or "~").expanduser() / ".local/state")
    return pathlib.Path(state) / "pilothouse"


class Claim:
    """The right to run the cluster of a name, from `with Claim(name)` until its end.

    Raises InstanceError when the name is no DNS name or another process has it."""

    def __init__(self, name: str, *, directory: pathlib.Path | None = None) -> None:
        if not _NAME.fullmatch(name) or len(name) > 63:
            raise InstanceError(
                f"--name: {name!r} is not a name: lower case letters, digits, '-' and '.', at most 63 of them"
            )
        self.name = name
        self.directory = (directory or home()) / name
        self._lock: IO[bytes] | None = None

    @property
    def log(self) -> pathlib.Path:
        """Where a detached cluster logs."""
        return self.directory / "log"

    def publish(self, record: Record) -> None:
        """Make the cluster known."""
        write_file(self.directory / "instance.json", orjson.dumps(record))

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = (self.directory / "lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise InstanceError(
                f"a cluster named \"{self.name}\" runs already: end it with 'pilot down --name {self.name}', "
                "or choose another --name"
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self.directory / "instance.json").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()


def find(name: str, *, directory: pathlib.Path | None = None) -> Record | None:
    """The running cluster of that name; None when there is none (a record left by a crash is none)."""
    place = (directory or home()) / name
    if not alive(place):
        return None
    with contextlib.suppress(FileNotFoundError, orjson.JSONDecodeError, TypeError):
        document = orjson.loads((place / "instance.json").read_bytes())
        return Record(
            **{field.name: document[field.name] for field in dataclasses.fields(Record)}
            | {"nodes": tuple(document["nodes"])}
        )
    return None


def running(*, directory: pathlib.Path | None = None) -> list[Record]:
    """Every running cluster, by name."""
    place = directory or home()
    if not place.is_dir():
        return []
    return [record for path in sorted(place.iterdir()) if (record := find(path.name, directory=place))]


def alive(place: pathlib.Path) -> bool:
    """Whether a process holds the lock of this instance's directory."""
    try:
        with (place / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
