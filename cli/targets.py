"""What a command is about: `TYPE`, `TYPE NAME...`, `TYPE/NAME ...`, `TYPE,TYPE`, or what files hold.

The rules and the refusals are kubectl's (its resource builder), so that a habit or a script carries over.
"""

from __future__ import annotations

import pathlib
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.errors import CliError, UsageError
from cli.flags import Flag, Kind, Parsed, switch
from cli.resources import Mapper, Resource

if TYPE_CHECKING:
    from cli.context import Session
    from machinery.client.api import Object

FILE_FLAGS = (
    Flag(
        "filename", "Filename or directory of the resources; - is standard input", short="f", kind=Kind.LIST, default=[]
    ),
    switch("recursive", "Process the directory used in -f, --filename recursively.", short="R"),
)
SELECTOR_FLAGS = (
    Flag("selector", "Selector (label query) to filter on, supports '=', '==', '!=', 'in', 'notin'", short="l"),
    Flag("field-selector", "Selector (field query) to filter on, supports '=', '==' and '!='"),
)
ALL_NAMESPACES = switch("all-namespaces", "If present, across all namespaces.", short="A")

EXTENSIONS = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Target:
    """One object (`name` set), or every object of a resource. `obj` is what a file said of it."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    obj: dict[str, Any] | None = None
    source: str = ""

    @property
    def shown(self) -> str:
        """`deployment.apps/frontend`, as kubectl reports what it did."""
        return f"{self.resource.full_name}/{self.name}"


def from_words(words: Sequence[str], mapper: Mapper, *, namespace: str, verb: str = "get") -> list[Target]:
    """The targets that the arguments of a command name. Raises UsageError and CliError in kubectl's words."""
    if not words:
        raise UsageError(
            f'You must specify the type of resource to {verb}. Use "pilot api-resources" for a complete list of '
            "supported resources."
        )
    slashed = ["/" in word for word in words]
    if any(slashed):
        if not all(slashed):
            raise UsageError(
                "there is no need to specify a resource type as a separate argument when passing arguments in "
                f"resource/name form (e.g. 'pilot {verb} resource/<resource_name>' instead of 'pilot {verb} resource "
                "resource/<resource_name>'"
            )
        return [_slashed(word, mapper, namespace) for word in words]
    types, *names = words
    found = [resource for text in types.split(",") if text for resource in _types(text, mapper)]
    if names and len(found) > 1 and "," in types:
        raise UsageError("arguments in resource/name form may not have more than one resource; name them as TYPE/NAME")
    targets = []
    for resource in found:
        scope = namespace if resource.namespaced else ""
        targets += [Target(resource, scope, name) for name in names or ("",)]
    return targets


async def from_files(
    session: Session, filenames: Sequence[str], *, recursive: bool, refused: list[CliError] | None = None
) -> list[Target]:
    """The objects that files hold, in order, each in its own namespace or else the command's.

    refused: takes the errors of objects whose kind the server does not have, so that a command can do what it can (a
    definition and objects of its kind may stand in one file); without it they are raised."""
    mapper = await session.mapper()
    targets = []
    for source, obj in read(filenames, recursive=recursive):
        from machinery.objects.gvk import gvk_of

        metadata = obj.get("metadata") or {}
        try:
            resource = mapper.for_kind(gvk_of(obj))
        except CliError as error:
            about = f'name: "{metadata.get("name", "")}" namespace: "{metadata.get("namespace", "")}" from "{source}"'
            unmapped = CliError(f"resource mapping not found for {about}: {error.message}", hint=error.hint)
            if refused is None:
                raise unmapped from None
            refused.append(unmapped)
            continue
        namespace = ""
        if resource.namespaced:
            said = str(metadata.get("namespace") or "")
            if said and session.namespace_given and said != session.namespace:
                raise CliError(
                    f'the namespace from the provided object "{said}" does not match the namespace '
                    f"\"{session.namespace}\". You must pass '--namespace={said}' to perform this operation."
                )
            namespace = said or session.namespace
        targets.append(Target(resource, namespace, str(metadata.get("name") or ""), obj, source))
    return targets


def read(filenames: Sequence[str], *, recursive: bool = False) -> list[tuple[str, Object]]:
    """(source, object) of every document in the files; items of a List one by one.

    Raises CliError that names the file, and the place in it, of what cannot be read."""
    found: list[tuple[str, Object]] = []
    for filename in filenames:
        for source, text in _texts(filename, recursive=recursive):
            found += [(source, obj) for obj in parse(source, text)]
    if not found:
        raise CliError(f"no objects passed: nothing in {', '.join(filenames)}")
    return found


def parse(source: str, text: bytes) -> list[Object]:
    """The objects of one YAML or JSON text. Raises CliError."""
    from machinery import manifest

    try:
        documents = manifest.load_all(text)
    except manifest.ManifestError as error:
        raise CliError(f"error parsing {source}: {error}") from None
    objects: list[Object] = []
    for document in documents:
        is_list = str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list)
        objects += document["items"] if is_list else [document]
    for obj in objects:
        missing = [key for key in ("apiVersion", "kind") if not obj.get(key)]
        if missing:
            said = ", ".join(f"{key} not set" for key in missing)
            raise CliError(f'error validating "{source}": error validating data: [{said}]')
    return objects


def _texts(filename: str, *, recursive: bool) -> list[tuple[str, bytes]]:
    if filename == "-":
        return [("STDIN", sys.stdin.buffer.read())]
    if filename.startswith(("http://", "https://")):
        raise CliError(
            f'"{filename}" is a URL, and pilot reads only files',
            hint=f"Fetch it and pass it on, as in: curl -fsSL {shlex.quote(filename)} | pilot apply -f -",
        )
    path = pathlib.Path(filename)
    try:
        if not path.is_dir():
            return [(filename, path.read_bytes())]
        paths = path.rglob("*") if recursive else path.iterdir()
        files = sorted(inner for inner in paths if inner.suffix in EXTENSIONS and inner.is_file())
        if not files:
            raise CliError(f"error reading [{filename}]: recognized file extensions are [{' '.join(EXTENSIONS)}]")
        return [(str(inner), inner.read_bytes()) for inner in files]
    except FileNotFoundError:
        raise CliError(f'the path "{filename}" does not exist') from None
    except OSError as error:
        raise CliError(f'cannot read "{filename}": {error.strerror}') from None


def _types(text: str, mapper: Mapper) -> list[Resource]:
    found = mapper.find_or_none(text)
    if found is not None:
        return [found]
    return mapper.category(text) or [mapper.find(text)]


def _slashed(word: str, mapper: Mapper, namespace: str) -> Target:
    kind, _, name = word.partition("/")
    if "/" in name:
        raise UsageError("arguments in resource/name form may not have more than one slash")
    if not kind or not name or "," in kind:
        raise UsageError("arguments in resource/name form must have a single resource and name")
    resource = mapper.find(kind)
    return Target(resource, namespace if resource.namespaced else "", name)


NOTHING_NAMED = """You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'"""


async def resolve(session: Session, flags: Parsed, *, verb: str, refused: list[CliError] | None = None) -> list[Target]:
    """The objects that a command changes: from files, from names, or by listing what a selector (or --all) matches.

    refused: as of `from_files`. Raises UsageError when nothing says which objects of a type are meant."""
    selector, fields = flags.values.get("selector", ""), flags.values.get("field-selector", "")
    if flags.values.get("all") and (selector or fields):
        raise UsageError("setting 'all' parameter but found a non empty selector.")
    if flags["filename"]:
        return await from_files(session, flags["filename"], recursive=flags["recursive"], refused=refused)
    if not flags.args:
        raise UsageError(NOTHING_NAMED)
    everywhere = bool(flags.values.get("all-namespaces"))
    namespace = "" if everywhere else session.namespace
    targets = from_words(flags.args, await session.mapper(), namespace=namespace, verb=verb)
    if all(target.name for target in targets):
        if selector or fields or flags.values.get("all"):
            raise UsageError("name cannot be provided when a selector is specified")
        return targets
    if not (selector or fields or flags.values.get("all")):
        raise UsageError("resource(s) were provided, but no name was specified")
    client = await session.client()
    found = []
    for target in targets:
        page = await client.list(
            target.resource.gvr, namespace=target.namespace, label_selector=selector, field_selector=fields
        )
        for obj in page.items:
            metadata = obj["metadata"]
            found.append(Target(target.resource, metadata.get("namespace", ""), metadata["name"]))
    return found
