"""kubeconfig files: merged on reading as kubectl merges them, written back where kubectl would write them.

One kubeconfig serves kubectl and pilot. REST's address is the cluster's `server`; the gRPC address stands in the
cluster's `extensions` under `pilothouse.dev/grpc`, which kubectl keeps and ignores.

Merging: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ (an explicit path is used
alone; of a KUBECONFIG list the first file to say something wins; a missing file of a list is empty). Writing changes
the file that has the entry; a new entry goes to the first file of the list that exists, else to the last.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import pathlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors import Clock

OURS = "pilothouse.dev/"
"""What the names of our extensions begin with."""
GRPC_EXTENSION = f"{OURS}grpc"
EMPTY: Mapping[str, Any] = {"apiVersion": "v1", "kind": "Config", "preferences": {}}
SECTIONS: Mapping[str, str] = {"clusters": "cluster", "contexts": "context", "users": "user"}
_TEXTS: Mapping[str, Sequence[str]] = {
    "clusters": ("server", "certificate-authority", "certificate-authority-data", "tls-server-name", "proxy-url"),
    "contexts": ("cluster", "user", "namespace"),
    "users": (
        *("client-certificate", "client-certificate-data", "client-key", "client-key-data"),
        *("token", "tokenFile", "username", "password", "as"),
    ),
}


class KubeConfigError(ValueError):
    """A file that is no kubeconfig, or an entry that it lacks. The message names the file or the entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One named cluster, context or user, and the file that has it."""

    name: str
    body: Mapping[str, Any]
    path: pathlib.Path


@dataclass(slots=True)
class _File:
    path: pathlib.Path
    document: dict[str, Any]
    exists: bool
    changed: bool = False


class KubeConfig:
    """One or several files seen as one. Changes are kept in memory until `save`."""

    def __init__(self, files: list[_File]) -> None:
        self._files = files

    @property
    def paths(self) -> list[pathlib.Path]:
        """The files, those that do not exist included."""
        return [file.path for file in self._files]

    @property
    def current_context(self) -> str:
        """The first that a file names; "" when none does."""
        return next((said for file in self._files if (said := file.document.get("current-context"))), "")

    @current_context.setter
    def current_context(self, name: str) -> None:
        file = next((file for file in self._files if file.document.get("current-context")), self._default())
        file.document["current-context"] = name
        file.changed = True

    def entries(self, section: str) -> dict[str, Entry]:
        """name -> entry of "clusters", "contexts" or "users"."""
        found: dict[str, Entry] = {}
        for file in self._files:
            for name, body in _named(file.document, section):
                found.setdefault(name, Entry(name, body, file.path))
        return found

    def context(self, name: str | None = None) -> Entry:
        """The context of that name, or the current one. Raises KubeConfigError when there is none."""
        chosen = name or self.current_context
        if not chosen:
            raise KubeConfigError("current-context is not set")
        found = self.entries("contexts").get(chosen)
        if found is None:
            raise KubeConfigError(
                f'context "{chosen}" does not exist' if name else f'no context exists with the name: "{chosen}"'
            )
        return found

    def cluster(self, name: str) -> Entry:
        """Raises KubeConfigError."""
        return self._entry("clusters", name)

    def user(self, name: str) -> Entry:
        """Raises KubeConfigError."""
        return self._entry("users", name)

    def namespace(self, context: str | None = None) -> str:
        """The namespace of a context (default: the current one); "" when it names none or there is no such context."""
        found = self.entries("contexts").get(context or self.current_context)
        return str(found.body.get("namespace") or "") if found else ""

    def path_of(self, section: str, name: str) -> pathlib.Path:
        """The file that has an entry, or would get it."""
        found = self.entries(section).get(name)
        return found.path if found else self._default().path

    def put(self, section: str, name: str, body: Mapping[str, Any]) -> None:
        """Add an entry, or replace it where it is."""
        key = SECTIONS[section]
        for file in self._files:
            for item in file.document.get(section) or ():
                if item.get("name") == name:
                    item[key] = dict(body)
                    file.changed = True
                    return
        file = self._default()
        file.document[section] = [*(file.document.get(section) or ()), {"name": name, key: dict(body)}]
        file.changed = True

    def remove(self, section: str, name: str) -> bool:
        """Remove an entry from every file; whether there was one. The current context is unset with its entry."""
        removed = False
        for file in self._files:
            items = file.document.get(section) or []
            kept = [item for item in items if item.get("name") != name]
            if len(kept) != len(items):
                file.document[section] = kept
                file.changed = removed = True
            if section == "contexts" and removed and file.document.get("current-context") == name:
                file.document["current-context"] = ""
                file.changed = True
        return removed

    def save(self) -> None:
        """Write every changed file in one step, readable by its owner alone. Raises OSError."""
        for file in self._files:
            if file.changed:
                write(file.path, {**EMPTY, **file.document})
                file.changed, file.exists = False, True

    def merged(self) -> dict[str, Any]:
        """All files as one document, entries sorted by name, as `config view` shows them."""
        document: dict[str, Any] = dict(EMPTY)
        for section, key in SECTIONS.items():
            entries = self.entries(section)
            document[section] = [{"name": name, key: dict(entries[name].body)} for name in sorted(entries)]
        document["current-context"] = self.current_context
        return document

    def _entry(self, section: str, name: str) -> Entry:
        found = self.entries(section).get(name)
        if found is None:
            raise KubeConfigError(f'{SECTIONS[section]} "{name}" does not exist')
        return found

    def _default(self) -> _File:
        return next((file for file in self._files if file.exists), self._files[-1])


def load(path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None) -> KubeConfig:
    """The files that an explicit path, KUBECONFIG or the home directory name. Raises KubeConfigError."""
    environ = os.environ if environ is None else environ
    if path:
        explicit = pathlib.Path(path)
        if not explicit.exists():
            raise KubeConfigError(f"stat {explicit}: no such file or directory")
        return KubeConfig([_read(explicit)])
    return KubeConfig([_read(each) for each in default_paths(environ)])


def load_or_new(path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None) -> KubeConfig:
    """As `load`, but an explicit path that does not exist is a file to be made."""
    if path and not pathlib.Path(path).exists():
        return KubeConfig([_File(pathlib.Path(path), {}, exists=False)])
    return load(path, environ=environ)


@contextlib.asynccontextmanager
async def editing(
    path: str | os.PathLike[str] | None = None,
    *,
    clock: Clock,
    patience: float = 10.0,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[KubeConfig]:
    """The files of `load_or_new`, read and (at the end of the block) written while nobody else writes them.

    The lock is kubectl's: a file `NAME.lock` beside each. Raises KubeConfigError when another holds it for longer than
    `patience` seconds or a file cannot be written, and what `load` and `save` raise."""
    held: list[pathlib.Path] = []
    try:
        for each in load_or_new(path, environ=environ).paths:
            held.append(await _acquire(each, clock, patience))  # noqa: PERF401  # those held before one that fails count
        config = load_or_new(path, environ=environ)
        yield config
        config.save()
    finally:
        for lock in held:
            lock.unlink(missing_ok=True)


async def _acquire(path: pathlib.Path, clock: Clock, patience: float) -> pathlib.Path:
    """The lock of a file, held; asks at once what `save` would fail for, so that nobody changes anything in vain."""
    lock = path.with_name(f"{path.name}.lock")
    deadline = clock.monotonic() + patience
    if os.access(path, os.F_OK) and not os.access(path, os.W_OK):
        raise KubeConfigError(f"cannot write {path}: Permission denied")
    while True:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            return lock
        except FileExistsError:
            if not lock.parent.is_dir():
                raise KubeConfigError(f"cannot write {path}: {lock.parent} is not a directory") from None
            if clock.monotonic() > deadline:
                raise KubeConfigError(
                    f"{lock} is held by another process; if none runs any more, remove the file"
                ) from None
        except OSError as error:
            raise KubeConfigError(f"cannot write {path}: {error.strerror}") from None
        await clock.sleep(0.05)


def default_paths(environ: Mapping[str, str]) -> list[pathlib.Path]:
    """KUBECONFIG's files without repetition, else ~/.kube/config."""
    listed = [pathlib.Path(part) for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return list(dict.fromkeys(listed)) or [pathlib.Path(environ.get("HOME") or "~").expanduser() / ".kube" / "config"]


def data(entry: Entry, field: str) -> bytes:
    """The bytes of `certificate-authority`, `client-certificate` or `client-key`: inline `…-data` before a file, a
    relative file beside the kubeconfig. b"" when the entry has neither. Raises KubeConfigError."""
    inline = entry.body.get(f"{field}-data")
    if inline:
        try:
            return base64.b64decode(inline, validate=True)
        except (binascii.Error, ValueError):
            raise KubeConfigError(f'{entry.path}: {field}-data of "{entry.name}" is not base64') from None
    named = file(entry, field)
    if named is None:
        return b""
    try:
        return named.read_bytes()
    except OSError as error:
        raise KubeConfigError(f'unable to read {field} {named} for "{entry.name}": {error.strerror}') from None


def file(entry: Entry, field: str) -> pathlib.Path | None:
    """The file that the bytes of `data` are read from; None when they are inline, or there are none."""
    if entry.body.get(f"{field}-data") or not entry.body.get(field):
        return None
    return entry.path.parent / str(entry.body[field])


def extension(body: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The named extension of an entry's body."""
    for item in body.get("extensions") or ():
        if item.get("name") == name:
            found: Mapping[str, Any] = item.get("extension") or {}
            return found
    return None


def encoded(pem: bytes) -> str:
    """Bytes as a `…-data` field has them."""
    return base64.b64encode(pem).decode()


def write(path: pathlib.Path, document: Mapping[str, Any]) -> None:
    """Replace a kubeconfig in one step; mode 0600, because it holds keys. Raises OSError."""
    from machinery import manifest  # imports yaml, which who only makes entries does not need

    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(manifest.dump(dict(document)))
    draft.replace(path)


def _read(path: pathlib.Path) -> _File:
    from machinery import manifest  # as in `write`

    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return _File(path, {}, exists=False)
    except OSError as error:
        raise KubeConfigError(f"error loading config file {path}: {error.strerror}") from None
    try:
        document = manifest.load(text, source=str(path)) if text.strip() else {}
    except manifest.ManifestError as error:
        raise KubeConfigError(f'error loading config file "{path}": {error}') from None
    if not isinstance(document, dict):
        raise KubeConfigError(f'error loading config file "{path}": it holds no kubeconfig')
    for wrong in _malformed(document):
        raise KubeConfigError(f'error loading config file "{path}": {wrong}')
    return _File(path, document, exists=True)


def _malformed(document: Mapping[str, Any]) -> Iterator[str]:
    """What is not of the type that a kubeconfig has there: what comes after may rely on it."""
    if not isinstance(document.get("current-context") or "", str):
        yield "current-context must be a string"
    for section, key in SECTIONS.items():
        items = document.get(section) or []
        if not (isinstance(items, list) and all(isinstance(item, dict) for item in items)):
            yield f"{section} must be a list of named entries"
            continue
        for index, item in enumerate(items):
            where, body = f"{section}[{index}]", item.get(key) or {}
            if not isinstance(item.get("name") or "", str):
                yield f"{where}.name must be a string"
            if not isinstance(body, dict):
                yield f"{where}.{key} must be a mapping"
                continue
            for name in _TEXTS[section]:
                if not isinstance(body.get(name) or "", str):
                    yield f"{where}.{key}.{name} must be a string"
            extensions = body.get("extensions") or []
            if not (isinstance(extensions, list) and all(isinstance(each, dict) for each in extensions)):
                yield f"{where}.{key}.extensions must be a list of named entries"
            elif not all(isinstance(each.get("extension") or {}, dict) for each in extensions if _is_ours(each)):
                yield f"{where}.{key}.extensions: those of {OURS} must be mappings"


def _is_ours(item: Mapping[str, Any]) -> bool:
    return str(item.get("name") or "").startswith(OURS)


def _named(document: Mapping[str, Any], section: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in document.get(section) or ():
        yield str(item.get("name", "")), item.get(SECTIONS[section]) or {}
