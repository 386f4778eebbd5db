"""What a command is: its words, its flags and the function that does it. One per file in `cli/commands`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cli.flags import Flag, Kind, Parsed, shown, switch

if TYPE_CHECKING:
    from cli.context import Session

Run = Callable[["Session", Parsed], Awaitable[int | None]]

GLOBAL_FLAGS: Sequence[Flag] = (
    Flag("kubeconfig", "Path to the kubeconfig file to use for CLI requests."),
    Flag("context", "The name of the kubeconfig context to use"),
    Flag("cluster", "The name of the kubeconfig cluster to use"),
    Flag("user", "The name of the kubeconfig user to use"),
    Flag("namespace", "If present, the namespace scope for this CLI request", short="n"),
    Flag("server", "The address and port of the gRPC API of the server", short="s"),
    Flag("token", "Bearer token for authentication to the API server"),
    Flag(
        "request-timeout",
        "The length of time to wait before giving up on a single server request, as 1s, 2m, 3h; 0 waits for ever",
        kind=Kind.DURATION,
        default=0.0,
    ),
    Flag("v", "Log level: 1 and more show what is logged", short="v", kind=Kind.INT, default=0),
    switch("help", "Help for the command", short="h"),
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or a group of them (then `run` is None and `subcommands` are not empty).

    usage: the words after `pilot`: "get (TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE/NAME ...) [flags]".
    examples: lines as they are shown, `# comment` lines included.
    arguments: whether there may be any; a command that takes none refuses them before it runs.
    aliases: other words that call it, as a subcommand.
    passes_on: whether the words after `--` are for another program; else they are arguments like those before it.
    """

    name: str
    summary: str
    usage: str
    run: Run | None = None
    flags: Sequence[Flag] = ()
    examples: str = ""
    subcommands: Mapping[str, Command] = field(default_factory=dict)
    aliases: Sequence[str] = ()
    arguments: bool = True
    passes_on: bool = False

    def subcommand(self, word: str) -> Command | None:
        """The one of this name or alias."""
        by_alias = (sub for sub in self.subcommands.values() if word in sub.aliases)
        return self.subcommands.get(word) or next(by_alias, None)


def help_text(command: Command, path: str) -> str:
    """What `pilot COMMAND --help` prints."""
    lines = [command.summary, ""]
    if command.aliases:
        lines += ["Aliases:", f"  {', '.join((command.name, *command.aliases))}", ""]
    if command.examples:
        lines += ["Examples:", *(f"  {line}" if line else "" for line in command.examples.strip().splitlines()), ""]
    if command.subcommands:
        width = max(map(len, command.subcommands)) + 4
        lines += ["Available Commands:"]
        lines += [f"  {name:<{width}}{sub.summary}" for name, sub in command.subcommands.items()]
        lines += [""]
    if command.flags:
        lines += ["Options:", *_flag_lines(command.flags), ""]
    lines += ["Usage:", f"  pilot {command.usage}", ""]
    if command.subcommands:
        lines += [f'Use "{path} <command> --help" for more information about a given command.']
    lines += ['Use "pilot options" for a list of global command-line options (applies to all commands).']
    return "\n".join(lines)


def global_help() -> str:
    """What `pilot options` prints."""
    return "\n".join(["The following options can be passed to any command:", "", *_flag_lines(GLOBAL_FLAGS)])


def _flag_lines(flags: Sequence[Flag]) -> list[str]:
    lines = []
    for flag in sorted(flags, key=lambda flag: flag.name):
        short = f"-{flag.short}, " if flag.short else "    "
        default = shown(flag)
        lines += [f"    {short}--{flag.name}{'=' if default else ''}{default}:", f"        {flag.help}"]
    return lines
