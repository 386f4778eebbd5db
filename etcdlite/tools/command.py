"""The command line of the tools: which there are, their flags, and how a failure is told.

Exit codes: 0 done, 1 it could not be done, 2 the command line is wrong, 130 and 143 SIGINT and SIGTERM ended it. A
failure is one line on standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import os
import re
import signal
import sqlite3
import sys
from collections.abc import Sequence
from typing import NoReturn

from etcdlite.errors import DatabaseError
from etcdlite.tools import check, compact, defrag, endpoint, restore, save, status, version
from etcdlite.tools.failure import ToolError
from etcdlite.tools.interruption import interruptible
from machinery.rpc.api import Code, RpcError

PROG = "python -m etcdlite"
FAILED, USAGE = 1, 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        wrong = re.match(r"argument .*: invalid choice: '(.*?)' \(choose from (.*)\)$", message)
        if wrong is not None:
            known = re.findall(r"'(.*?)'", wrong[2])
            close = difflib.get_close_matches(wrong[1], known, n=1)
            message = f"unknown {wrong[1]!r}, " + (f"did you mean {close[0]}?" if close else f"use {', '.join(known)}")
        self.exit(USAGE, f"etcdlite: {message}; try '{self.prog} --help'\n")


def main(words: Sequence[str]) -> int:
    """Run the command that the words name; returns the exit code."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what is wrong is told here
    with interruptible() as interruption:
        problem, code = _outcome(words)
        if interruption.number:  # whatever failed, failed by it
            problem, code = f"interrupted by {interruption.name}; nothing half done is left", interruption.exit_code
    if problem:
        _say(problem)
    return code


def _outcome(words: Sequence[str]) -> tuple[str, int]:
    """Why it failed, "" when it did not or said so itself; and the exit code."""
    try:
        arguments = parser().parse_args(words)
        problem = arguments.check(arguments)
        if problem:
            return problem, USAGE
        return "", int(asyncio.run(arguments.run(arguments)))
    except SystemExit as ended:
        return "", int(ended.code or 0) if not isinstance(ended.code, str) else FAILED
    except RpcError as error:
        connected = error.code is not Code.UNAVAILABLE or error.message.startswith(("etcdserver: ", "etcdlite: "))
        where = arguments.endpoints or endpoint.DEFAULT
        return error.message if connected else endpoint.unreachable(where, error.message), FAILED
    except sqlite3.Error as error:
        return f"SQLite: {error}", FAILED
    except OSError as error:
        return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error), FAILED
    except (ToolError, DatabaseError, ValueError) as error:
        return str(error), FAILED
    except KeyboardInterrupt:
        return "interrupted", 128 + signal.SIGINT


def parser() -> argparse.ArgumentParser:
    """Of all commands."""
    top = _Parser(prog=PROG, description="Without a command it serves a store: see --help.")
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    snapshots = commands.add_parser("snapshot", help="copies of a store").add_subparsers(
        required=True, metavar="save|restore|status", parser_class=_Parser
    )
    save.add_to(snapshots)
    restore.add_to(snapshots)
    status.add_to(snapshots)
    check.add_to(commands)
    compact.add_to(commands)
    defrag.add_to(commands)
    version.add_to(commands)
    return top


def _say(text: str) -> None:
    print(f"etcdlite: {' '.join(text.removeprefix('etcdlite: ').split())}", file=sys.stderr)
