"""What is known on this machine of what `pilot up`, `init` and `join` run: a record file per name, held by a lock.

The record is there from the moment that the name is taken until the end in order; the lock says whether the process
that wrote it still lives, so that a record left behind by a crash is told from a running cluster. Directory:
`$PILOTHOUSE_HOME`, else `$XDG_STATE_HOME/pilothouse`, else `~/.local/state/pilothouse`. Nothing of a name stays in it
once nothing is left to say about the name.
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

RECORD = "instance.json"
LOCK = "lock"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


class InstanceError(Exception):
    """A name that cannot be used, or is in use, or a directory for records that cannot be used."""


@dataclass(frozen=True, slots=True)
class Record:
    """A cluster, control plane or node. command: what started it: up, init or join. Before it is ready only its name
    and its process are known for sure, and of the rest what can be said before it runs."""

    command: str
    name: str
    pid: int
    server: str = ""
    grpc: str = ""
    kubeconfig: str = ""
    nodes: tuple[str, ...] = ()
    data_dir: str = ""
    """"" when everything is in memory."""
    store: str = ""
    """The etcd that it keeps its objects in, as `--etcd-servers` names it; "" when that is its own."""
    log: str = ""
    kubeconfigs: tuple[str, ...] = ()
    """The files that its entry was merged into, as KUBECONFIG lists them; none for who has a file of its own."""
    ready: bool = True


def home(environ: Mapping[str, str] | None = None) -> pathlib.Path:
    """Where records are kept."""
    environ = os.environ if environ is None else environ
    if environ.get("PILOTHOUSE_HOME"):
        return pathlib.Path(environ["PILOTHOUSE_HOME"])
    state = environ.get("XDG_STATE_HOME") or str(pathlib.Path(environ.get("HOME") or "~").expanduser() / ".local/state")
    return pathlib.Path(state) / "pilothouse"


class Claim:
    """The right to run the cluster of a name, from `with Claim(name)` until its end.

    flag: what the user chooses the name with. Raises InstanceError when the name is no DNS name or another process has
    it."""

    def __init__(self, name: str, *, directory: pathlib.Path | None = None, flag: str = "--name") -> None:
        if not _NAME.fullmatch(name) or len(name) > 63:
            raise InstanceError(
                f"{flag}: {name!r} is not a name: lower case letters, digits, '-' and '.', at most 63 of them"
            )
        self.name = name
        self._flag = flag
        self.directory = (directory or home()) / name
        self._lock: IO[bytes] | None = None

    @property
    def log(self) -> pathlib.Path:
        """Where a detached cluster logs."""
        return self.directory / "log"

    def check_free(self) -> None:
        """Raise InstanceError when another process has the name right now. Touches nothing."""
        if alive(self.directory):
            raise self._taken()

    def prepare(self) -> None:
        """Make the directory. Raises InstanceError."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InstanceError(
                f"cannot keep a record of the cluster in {self.directory}: {error.strerror}; "
                "set PILOTHOUSE_HOME to a directory that can be written"
            ) from None

    def publish(self, record: Record) -> None:
        """Make the cluster known."""
        write_file(self.directory / RECORD, orjson.dumps(record))

    def __enter__(self) -> Self:
        self._lock = self._locked()
        self.publish(Record("", self.name, os.getpid(), log=str(self.log), ready=False))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self.directory / RECORD).unlink(missing_ok=True)
        if kind is None:  # otherwise the log has yet to say why
            _remove_empty_log(self.directory)
        (self.directory / LOCK).unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
        with contextlib.suppress(OSError):
            self.directory.rmdir()

    def _locked(self) -> IO[bytes]:
        while True:
            self.prepare()
            try:
                lock = (self.directory / LOCK).open("wb")
            except FileNotFoundError:
                continue  # who had the name has just removed the directory
            except OSError as error:
                raise InstanceError(f"{self.directory / LOCK}: {error.strerror}") from None
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                raise self._taken() from None
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock.fileno()), (self.directory / LOCK).stat()):
                    return lock
            lock.close()  # who had the name ended in between, and took this file away

    def _taken(self) -> InstanceError:
        return InstanceError(
            f"a cluster named \"{self.name}\" runs already: end it with 'pilot down {self.name}', "
            f"or choose another {self._flag}"
        )


def tidy(place: pathlib.Path) -> None:
    """Remove a name's empty log, and its directory when nothing else is in it; nothing when somebody has the name."""
    if alive(place):
        return
    _remove_empty_log(place)
    with contextlib.suppress(OSError):
        place.rmdir()


def _remove_empty_log(place: pathlib.Path) -> None:
    with contextlib.suppress(OSError):
        if not (place / "log").stat().st_size:
            (place / "log").unlink()


def find(name: str, *, directory: pathlib.Path | None = None) -> Record | None:
    """The running cluster of that name, or one that starts; None when there is none (one left by a crash is none)."""
    place = (directory or home()) / name
    return _read(place) if alive(place) else None


def left(name: str, *, directory: pathlib.Path | None = None) -> Record | None:
    """What a cluster of that name left that did not end in order; None when there is none, or it still runs."""
    place = (directory or home()) / name
    return None if alive(place) else _read(place)


def forget(name: str, *, directory: pathlib.Path | None = None) -> None:
    """Remove what is kept of a cluster that has ended, its log included; nothing when one of that name runs."""
    claim = Claim(name, directory=directory)
    if not claim.directory.is_dir():
        return
    with contextlib.suppress(InstanceError), claim:
        claim.log.unlink(missing_ok=True)


def _read(place: pathlib.Path) -> Record | None:
    with contextlib.suppress(OSError, orjson.JSONDecodeError, TypeError, KeyError):
        document = orjson.loads((place / RECORD).read_bytes())
        values = {field.name: document[field.name] for field in dataclasses.fields(Record)}
        return Record(**values | {each: tuple(values[each]) for each in ("nodes", "kubeconfigs")})
    return None


def running(*, directory: pathlib.Path | None = None) -> list[Record]:
    """Every running cluster, by name."""
    place = directory or home()
    if not os.access(place, os.R_OK | os.X_OK) or not place.is_dir():
        return []
    return [record for path in sorted(place.iterdir()) if (record := find(path.name, directory=place))]


def alive(place: pathlib.Path) -> bool:
    """Whether a process holds the lock of this instance's directory."""
    try:
        with (place / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    return False
