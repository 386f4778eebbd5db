"""`pilot config`: contexts, clusters and users of kubeconfig files, read and written as kubectl does."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from cli.command import Command
from cli.errors import CliError, UsageError
from cli.flags import Flag, Parsed, switch
from cli.output import printer
from cli.output.table import columns
from machinery.client import kubeconfig
from machinery.client.kubeconfig import KubeConfig, KubeConfigError

if TYPE_CHECKING:
    from cli.context import Session

SECRET_FIELDS = ("client-key-data", "token", "password", "client-certificate-data")


def _read(flags: Parsed) -> KubeConfig:
    """The kubeconfig as `Session.config`, but a file that is not there yet is empty. Raises CliError."""
    try:
        return kubeconfig.load_or_new(flags["kubeconfig"] or None)
    except KubeConfigError as error:
        raise CliError(str(error)) from None


@contextlib.asynccontextmanager
async def _editing(session: Session, flags: Parsed) -> AsyncIterator[KubeConfig]:
    """The kubeconfig to change, written at the end of the block; nobody else writes it meanwhile. Raises CliError."""
    try:
        async with kubeconfig.editing(flags["kubeconfig"] or None, clock=session.clock) as config:
            yield config
    except KubeConfigError as error:
        raise CliError(str(error)) from None
    except OSError as error:
        raise CliError(f"cannot write {error.filename}: {error.strerror}") from None


async def get_contexts(session: Session, flags: Parsed) -> int:
    config = _read(flags)
    entries = config.entries("contexts")
    missing = [name for name in flags.args if name not in entries]
    if missing:
        raise CliError(f"context {missing[0]} not found")
    names = sorted(flags.args or entries)
    if flags["output"] == "name":
        for name in names:
            print(name)
        return 0
    if flags["output"]:
        raise UsageError('output must be one of "" or "name"')
    rows = [
        [
            "*" if name == config.current_context else "",
            name,
            str(entries[name].body.get("cluster", "")),
            str(entries[name].body.get("user", "")),
            str(entries[name].body.get("namespace", "")),
        ]
        for name in names
    ]
    header = [] if flags["no-headers"] else ["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]
    for line in columns(rows, header=header):
        print(line)
    return 0


async def current_context(session: Session, flags: Parsed) -> int:
    current = _read(flags).current_context
    if not current:
        raise CliError("current-context is not set")
    print(current)
    return 0


async def use_context(session: Session, flags: Parsed) -> int:
    name = _one(flags, "a context")
    async with _editing(session, flags) as config:
        if name not in config.entries("contexts"):
            raise CliError(f'no context exists with the name: "{name}"', hint="'pilot config get-contexts' lists them.")
        config.current_context = name
    print(f'Switched to context "{name}".')
    return 0


async def set_context(session: Session, flags: Parsed) -> int:
    if not flags["current"] and not flags.args:
        raise UsageError("you must specify a non-empty context name or --current")
    if flags["current"] and flags.args:
        raise UsageError("you cannot specify both a context name and --current")
    async with _editing(session, flags) as config:
        name = config.current_context if flags["current"] else _one(flags, "a context")
        if not name:
            raise CliError("no current context is set")
        before = config.entries("contexts").get(name)
        body: dict[str, Any] = dict(before.body) if before else {}
        for key in ("cluster", "user", "namespace"):
            if key in flags.given:
                body[key] = flags[key]
        config.put("contexts", name, body)
    print(f'Context "{name}" {"modified" if before else "created"}.')
    return 0


async def rename_context(session: Session, flags: Parsed) -> int:
    if len(flags.args) != 2:
        raise UsageError("two names are needed: CONTEXT_NAME NEW_NAME")
    old, new = flags.args
    async with _editing(session, flags) as config:
        entries = config.entries("contexts")
        if old not in entries:
            raise CliError(f'cannot rename the context "{old}", it\'s not in {_files(config)}')
        if new in entries:
            raise CliError(f'cannot rename the context "{old}", the context "{new}" already exists in {_files(config)}')
        current = config.current_context
        body = entries[old].body
        config.remove("contexts", old)
        config.put("contexts", new, body)
        if current == old:
            config.current_context = new
    print(f'Context "{old}" renamed to "{new}".')
    return 0


def _delete(section: str) -> Callable[[Session, Parsed], Any]:
    word = kubeconfig.SECTIONS[section]

    async def run(session: Session, flags: Parsed) -> int:
        name = _one(flags, f"a {word}")
        async with _editing(session, flags) as config:
            current = config.current_context
            if not config.remove(section, name):
                raise CliError(f"cannot delete {word} {name}, not in {_files(config)}")
        print(f"deleted {word} {name} from {_files(config)}")
        if section == "contexts" and current == name:
            print("It was the active context: choose another with 'pilot config use-context NAME'.")
        return 0

    return run


def _list(section: str) -> Callable[[Session, Parsed], Any]:
    async def run(session: Session, flags: Parsed) -> int:
        print("NAME")
        for name in sorted(_read(flags).entries(section)):
            print(name)
        return 0

    return run


async def view(session: Session, flags: Parsed) -> int:
    config = _read(flags)
    document = config.merged()
    if flags["minify"]:
        document = _minified(config, document, flags["context"])
    if not flags["raw"]:
        document = _redacted(document)
    print(printer.printer(flags["output"] or "yaml", name_of=lambda _: "config")(document), end="")
    return 0


def _minified(config: KubeConfig, document: Mapping[str, Any], name: str) -> dict[str, Any]:
    try:
        context = config.context(name or None)
    except KubeConfigError as error:
        raise CliError(str(error)) from None
    keep = {"contexts": context.name, "clusters": context.body.get("cluster"), "users": context.body.get("user")}
    return {
        **document,
        "current-context": context.name,
        **{section: [item for item in document[section] if item["name"] == name] for section, name in keep.items()},
    }


def _redacted(document: Mapping[str, Any]) -> dict[str, Any]:
    def user(body: Mapping[str, Any]) -> dict[str, Any]:
        hidden = {"token": "REDACTED", "password": "REDACTED"}
        return {key: hidden.get(key, "DATA+OMITTED") if key in SECRET_FIELDS else body[key] for key in body}

    def cluster(body: Mapping[str, Any]) -> dict[str, Any]:
        return {key: "DATA+OMITTED" if key == "certificate-authority-data" else body[key] for key in body}

    return {
        **document,
        "users": [{**item, "user": user(item["user"])} for item in document["users"]],
        "clusters": [{**item, "cluster": cluster(item["cluster"])} for item in document["clusters"]],
    }


def _one(flags: Parsed, what: str) -> str:
    if len(flags.args) != 1:
        raise UsageError(f"exactly one name of {what} is needed, got {len(flags.args)}")
    return flags.args[0]


def _files(config: KubeConfig) -> str:
    return ", ".join(str(path) for path in config.paths)


COMMAND = Command(
    name="config",
    summary="Modify kubeconfig files.",
    usage="config SUBCOMMAND",
    subcommands={
        "get-contexts": Command(
            "get-contexts",
            "Describe one or many contexts",
            "config get-contexts [NAME...] [flags]",
            get_contexts,
            (
                Flag("output", "Output format. One of: (name).", short="o"),
                switch("no-headers", "Don't print headers."),
            ),
        ),
        "use-context": Command(
            "use-context", "Set the current-context", "config use-context CONTEXT_NAME", use_context, aliases=("use",)
        ),
        "current-context": Command(
            "current-context", "Display the current-context", "config current-context", current_context, arguments=False
        ),
        "view": Command(
            "view",
            "Display merged kubeconfig settings",
            "config view [flags]",
            view,
            (
                printer.OUTPUT_FLAG,
                switch("raw", "Display raw byte data and sensitive data"),
                switch("minify", "Remove all information not used by current-context from the output"),
            ),
            arguments=False,
        ),
        "set-context": Command(
            "set-context",
            "Set a context entry in kubeconfig",
            "config set-context [NAME | --current] [--cluster=cluster] [--user=user] [--namespace=namespace]",
            set_context,
            (
                switch("current", "Modify the current context"),
                Flag("cluster", "cluster for the context entry"),
                Flag("user", "user for the context entry"),
                Flag("namespace", "namespace for the context entry", short="n"),
            ),
        ),
        "rename-context": Command(
            "rename-context", "Rename a context", "config rename-context CONTEXT_NAME NEW_NAME", rename_context
        ),
        "delete-context": Command(
            "delete-context", "Delete the specified context", "config delete-context NAME", _delete("contexts")
        ),
        "delete-cluster": Command(
            "delete-cluster", "Delete the specified cluster", "config delete-cluster NAME", _delete("clusters")
        ),
        "delete-user": Command("delete-user", "Delete the specified user", "config delete-user NAME", _delete("users")),
        "get-clusters": Command(
            "get-clusters", "Display clusters", "config get-clusters", _list("clusters"), arguments=False
        ),
        "get-users": Command("get-users", "Display users", "config get-users", _list("users"), arguments=False),
    },
    examples="# Which clusters are there, and switch\npilot config get-contexts\npilot config use-context prod",
)
