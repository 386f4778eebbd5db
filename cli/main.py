"""From the words on the command line to a command, and from its end to an exit code.

Modules of commands are imported only when their command is called: `pilot get` must not pay for what `pilot up` needs.
"""

from __future__ import annotations

import asyncio
import difflib
import importlib
import io
import itertools
import logging
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cli.command import GLOBAL_FLAGS, Command, global_help, help_text
from cli.errors import CliError, ServerError, UsageError, in_words
from cli.flags import Parsed, first_argument, parse
from machinery.process import output

if TYPE_CHECKING:
    from machinery.errors import ApiError

log = logging.getLogger(__name__)

# group -> command -> (module below cli.commands, one line). The help of `pilot` itself imports none of them.
COMMANDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Clusters": {
        "up": ("up", "Run a whole cluster in one process on this machine"),
        "down": ("up", "End a cluster that 'pilot up' runs"),
        "init": ("init", "Set up a control plane on this host and run it"),
        "join": ("join", "Make this host a node of a cluster"),
        "token": ("token", "Manage the bootstrap tokens that hosts join with"),
        "config": ("config", "Modify kubeconfig files"),
    },
    "Basic": {
        "get": ("get", "Display one or many resources"),
        "describe": ("describe", "Show details of a specific resource or group of resources"),
        "create": ("create", "Create a resource from a file or from stdin"),
        "run": ("run", "Run a particular image on the cluster"),
        "expose": ("run", "Take a workload and expose it as a new service"),
        "set": ("set", "Set specific features on objects"),
        "apply": ("apply", "Apply a configuration to a resource by file name or stdin"),
        "diff": ("diff", "Diff the live version against a would-be applied version"),
        "delete": ("delete", "Delete resources by file names, stdin, resources and names, or by a selector"),
        "edit": ("edit", "Edit a resource on the server"),
        "replace": ("replace", "Replace a resource by file name or stdin"),
        "patch": ("patch", "Update fields of a resource"),
        "label": ("label", "Update the labels on a resource"),
        "annotate": ("label", "Update the annotations on a resource"),
        "explain": ("explain", "Get documentation for a resource"),
    },
    "Workloads": {
        "scale": ("scale", "Set a new size for a deployment, replica set, or stateful set"),
        "rollout": ("rollout", "Manage the rollout of a resource"),
        "logs": ("logs", "Print the logs for a container in a pod"),
        "wait": ("wait", "Wait for a specific condition on one or many resources"),
    },
    "Cluster management": {
        "cordon": ("cordon", "Mark node as unschedulable"),
        "uncordon": ("cordon", "Mark node as schedulable"),
        "drain": ("drain", "Drain node in preparation for maintenance"),
        "units": ("units", "See and steer the controllers"),
        "tree": ("tree", "Show the tree of actors"),
    },
    "Other": {
        "api-resources": ("api_resources", "Print the supported API resources on the server"),
        "api-versions": (
            "api_versions",
            'Print the supported API versions on the server, in the form of "group/version"',
        ),
        "auth": ("auth", "Inspect authorization"),
        "version": ("version", "Print the client and server version information"),
    },
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line. Answers the exit code; never raises, a fault of our own is one line too."""
    words = list(sys.argv[1:] if argv is None else argv)
    _speak_utf8()
    verbosity = _verbosity(words)
    logging.basicConfig(level=logging.DEBUG if verbosity > 1 else logging.INFO if verbosity else logging.WARNING)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = _dispatch(words)
        sys.stdout.flush()  # what cannot be written is told here; the interpreter would say it in words of its own
        return code
    except CliError as error:
        print(error.render(), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except UnicodeDecodeError as error:
        print(f"error: not UTF-8 text: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # the reader of a pipe (head, say) went away: not our error, and nothing more can be printed
        output.drop_the_rest()
        return 141
    except OSError as error:
        # the machine's doing, a full disk say; what a command expects of it, the command has said in its own words
        _show_details()
        print(f"error: {in_words(error)}", file=sys.stderr)
        output.drop_the_rest()
        return 1
    except Exception as error:
        _show_details()
        said = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "" if verbosity > 1 else " (run it again with -v=8 for the details)"
        print(f"error: internal error: {said}{hint}", file=sys.stderr)
        return 1


def _speak_utf8() -> None:
    """Objects are UTF-8, and so is what is printed of them, whatever the locale says: as of kubectl."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _show_details() -> None:
    """Where the exception of the moment came from, for those who asked to see what is logged."""
    log.debug("the command ended with an exception", exc_info=True)


def _verbosity(words: Sequence[str]) -> int:
    """The level of -v, found without parsing: what parsing has to say comes later, and may be what fails."""
    for word, after in itertools.pairwise([*words, ""]):
        found = re.fullmatch(r"--?v(?:=?(\d+))?", word)
        if word == "--":
            break
        if found:
            return int(found[1] or (after if after.isdecimal() else 0))
    return 0


def _dispatch(words: list[str]) -> int:
    index = first_argument(words, GLOBAL_FLAGS)
    if index is None:
        parse(words, GLOBAL_FLAGS)
    if index is None or words[index] in ("help", "options"):
        asked = words[index] if index is not None else ""
        if asked == "help" and len(words) > index + 1:  # type: ignore[operator]  # asked is "help" only with an index
            return _dispatch([*words[index + 1 :], "--help"])  # type: ignore[operator]  # as above
        print(global_help() if asked == "options" else _overview())
        return 0
    name = words.pop(index)
    command, path = _find(name), f"pilot {name}"
    while command.subcommands:
        at = first_argument(words, (*GLOBAL_FLAGS, *command.flags))
        found = command.subcommand(words[at]) if at is not None else None
        if found is None:
            if at is not None and command.run is None:
                raise UsageError(f'unknown command "{words[at]}" for "{path}"', hint=f"See '{path} --help' for usage.")
            break
        path = f"{path} {words.pop(at)}" if at is not None else path
        command = found
    parsed = _parse(command, path, words)
    if parsed["help"] or command.run is None:
        print(help_text(command, path))
        return 0 if parsed["help"] else 1
    return asyncio.run(_run(command, path, parsed))


def _parse(command: Command, path: str, words: Sequence[str]) -> Parsed:
    own = {flag.short for flag in command.flags if flag.short}
    taken = {flag.name for flag in command.flags}
    inherited = [flag for flag in GLOBAL_FLAGS if flag.name not in taken and flag.short not in own]
    inherited += [
        type(flag)(flag.name, flag.help, "", flag.kind, flag.default, flag.bare)
        for flag in GLOBAL_FLAGS
        if flag.name not in taken and flag.short in own
    ]
    try:
        parsed = parse(words, (*command.flags, *inherited))
        if not command.passes_on:
            parsed.args += parsed.rest
        if parsed.args and not command.arguments and not parsed["help"]:
            raise UsageError(f"unexpected arguments: [{' '.join(parsed.args)}]")
        return parsed
    except UsageError as error:
        raise UsageError(error.message, hint=f"See '{path} --help' for usage.") from None


async def _run(command: Command, path: str, parsed: Parsed) -> int:
    from cli.context import Session
    from machinery.client.grpc import api_error
    from machinery.errors import ApiError
    from machinery.rpc import RpcError

    assert command.run is not None, "groups without a function are answered with their help"
    session = Session(_connection(command, parsed))
    try:
        return await command.run(session, parsed) or 0
    except ApiError as error:
        raise _told(error) from None
    except RpcError as error:
        raise _told(api_error(error)) from None
    except UsageError as error:
        raise UsageError(error.message, hint=error.hint or f"See '{path} --help' for usage.") from None
    finally:
        await session.close()


def _told(error: ApiError) -> CliError:
    """What the server said; or, where gRPC speaks because there was no server to say anything, why not."""
    said = error.message
    if error.code != 503 or not said.startswith(("failed to connect to all addresses", "errors resolving ")):
        return ServerError(error)
    reason = said.rpartition(": ")[2]
    if said.startswith("errors resolving "):
        reason = f"the host of {said.split()[2].rstrip(':')} is not known"
    elif reason.startswith("Handshake read failed (Endpoint closing"):  # our side gave up waiting
        reason = "it takes the connection and does not answer"
    elif reason.startswith("Handshake read failed"):
        reason = "it ended the connection before it answered"
    hint = "Is the cluster running? 'pilot config view --minify' shows where the context points to."
    return CliError(f"cannot reach the server: {reason}", hint=hint)


def _connection(command: Command, parsed: Parsed) -> Parsed:
    """The global flags as they were typed. A command's own flag may have the name of one (`create rolebinding --user`):
    then it is the command's, and the global one has its default."""
    own = {flag.name for flag in command.flags}
    values = {flag.name: flag.default if flag.name in own else parsed[flag.name] for flag in GLOBAL_FLAGS}
    return Parsed(values, given=parsed.given - own)


def _find(name: str) -> Command:
    for commands in COMMANDS.values():
        if name in commands:
            module = importlib.import_module(f"cli.commands.{commands[name][0]}")
            found: Command = module.COMMANDS[name] if hasattr(module, "COMMANDS") else module.COMMAND
            return found
    names = [known for commands in COMMANDS.values() for known in commands]
    near = difflib.get_close_matches(name, names, n=3)
    hint = "Did you mean this?\n" + "\n".join(f"\t{known}" for known in near) if near else "See 'pilot --help'."
    raise UsageError(f'unknown command "{name}" for "pilot"', hint=hint)


def _overview() -> str:
    lines = ["pilot runs and manages Kubernetes clusters.", ""]
    for group, commands in COMMANDS.items():
        lines += [f"{group}:", *(f"  {name:<16}{summary}" for name, (_, summary) in commands.items()), ""]
    lines += ['Use "pilot <command> --help" for more information about a given command.']
    return "\n".join(lines)
