"""`pilot token create|list|delete|generate`: bootstrap tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.command import Command
from cli.errors import CliError, UsageError
from cli.flags import Flag, Kind, Parsed, switch
from cli.output.table import columns

if TYPE_CHECKING:
    from cli.context import Session


async def create(session: Session, flags: Parsed) -> int:
    from machinery.client.kubeconfig import KubeConfigError
    from machinery.client.target import target
    from pilothouse.init import tokens
    from pilothouse.init.settings import InitError
    from pilothouse.join.command import words

    if len(flags.args) > 1:
        raise UsageError("at most one token can be named")
    try:
        token = await tokens.create(
            await session.client(),
            flags.args[0] if flags.args else tokens.generate(),
            ttl=flags["ttl"],
            now=session.clock.now(),
            description=flags["description"],
        )
        if flags["print-join-command"]:
            reached = target(session.config, flags["context"] or None)
            print(words(reached.server, token.text, reached.ca))
        else:
            print(token.text)
    except (InitError, KubeConfigError) as error:
        raise CliError(str(error)) from None
    return 0


async def list_tokens(session: Session, flags: Parsed) -> int:
    from machinery.objects import timefmt
    from pilothouse.init import tokens

    now = session.clock.now()
    rows = []
    for token in await tokens.listed(await session.client()):
        left = "<forever>"
        expires = "<never>"
        if token.expires:
            expires = timefmt.format(token.expires)
            seconds = (token.expires - now).total_seconds()
            left = timefmt.human_duration(seconds) if seconds > 0 else "<invalid>"
        rows.append(
            [token.text, left, expires, ",".join(token.usages), token.description or "<none>", ",".join(token.groups)]
        )
    header = ["TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"]
    for line in columns(rows, header=header):
        print(line)
    return 0


async def delete(session: Session, flags: Parsed) -> int:
    from pilothouse.init import tokens
    from pilothouse.init.settings import InitError

    if not flags.args:
        raise UsageError("name at least one token or its id; 'pilot token list' shows them")
    client = await session.client()
    for word in flags.args:
        try:
            identity = await tokens.delete(client, word)
        except InitError as error:
            raise CliError(str(error)) from None
        print(f'bootstrap token "{identity}" deleted', flush=True)
    return 0


async def generate(session: Session, flags: Parsed) -> int:
    from pilothouse.init import tokens

    print(tokens.generate())
    return 0


COMMAND = Command(
    name="token",
    summary="Manage the bootstrap tokens that hosts join with.",
    usage="token SUBCOMMAND",
    subcommands={
        "create": Command(
            "create",
            "Create bootstrap tokens on the server",
            "token create [TOKEN] [flags]",
            create,
            (
                Flag("ttl", "How long it is good for (1s, 2m, 3h); 0 for ever", kind=Kind.DURATION, default=86400.0),
                Flag("description", "A human friendly description of how this token is used"),
                switch("print-join-command", "Instead of the token, print the full 'pilot join' command"),
            ),
        ),
        "list": Command("list", "List bootstrap tokens on the server", "token list", list_tokens, arguments=False),
        "delete": Command("delete", "Delete bootstrap tokens on the server", "token delete TOKEN...", delete),
        "generate": Command(
            "generate", "Make a token without creating it on a server", "token generate", generate, arguments=False
        ),
    },
    examples="# What to run on a host that shall join\npilot token create --print-join-command",
)
