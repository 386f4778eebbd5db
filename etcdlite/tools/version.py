"""Which version this is."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sqlite3
from typing import Any


def text() -> str:
    """What `--version` prints, as etcd lays it out."""
    from etcdlite.rpc.maintenance import API_VERSION

    try:
        own = importlib.metadata.version("pilothouse")
    except importlib.metadata.PackageNotFoundError:
        own = "unknown"
    return (
        f"etcdlite Version: {own}\nAPI: etcd {API_VERSION}\nPython Version: {platform.python_version()}\n"
        f"SQLite Version: {sqlite3.sqlite_version}\nOS/Arch: {platform.system().lower()}/{platform.machine()}"
    )


def add_to(commands: Any) -> None:
    """The command."""
    parser = commands.add_parser("version", help="which version this is")
    parser.set_defaults(run=run, check=lambda arguments: "")


async def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    print(text())
    return 0
