"""Serves one store alone, with etcd's flags where they mean something here."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import socket
import sys
from collections.abc import Sequence
from functools import partial

from actors import Actor, ChildSpec, Supervisor, SystemClock
from actors.runner import run
from etcdlite import flags, logs
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.errors import DatabaseError
from etcdlite.listen import check_free, check_tls, speaks_tls
from etcdlite.store.log import check_usable
from machinery.pki.tls import TlsError
from machinery.process.settings import HelpAsked, SettingsError

DEFAULT_URL = "http://127.0.0.1:2379"
USAGE_ERROR = 2

SWITCH_SECONDS = 0.001
"""How long the thread that commits waits for the interpreter while the loop is busy: a dozen times in each commit."""


def main(words: Sequence[str]) -> int:
    """Serve until a signal; returns the exit code: 0 after an ordered end, 1 when it cannot run, 2 for bad flags."""
    try:
        config = parse(words)
    except SystemExit as ended:
        return int(ended.code or 0)
    try:
        app = EtcdLite(config, clock=SystemClock())
    except ValueError as error:
        _say(str(error))
        return USAGE_ERROR
    try:
        if config.data_dir is not None:
            check_usable(config.data_dir)
        check_free(config)
        check_tls(config)
        logs.setup(config)
    except (DatabaseError, OSError, TlsError) as error:
        _say(str(error))
        return 1
    if config.data_dir is None:
        _say("without --data-dir everything is in memory, and gone at the end")
    served = app.spec()
    spec = ChildSpec("root", lambda: Supervisor([served, ChildSpec("announce", lambda: Announcer(app))]))
    return run(spec, clock=SystemClock(), name="etcdlite", tell=partial(_tell, config))


def _tell(config: Config, error: Exception) -> bool:
    """Why it ended, as what is found before the start is told; for a log that lies elsewhere it is news as well."""
    _say(f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error))
    return logs.on_stderr(config)


class Announcer(Actor):
    """Says on standard output where the store is served, once it is: scripts wait for that line. systemd is told too
    (`Type=notify`, as etcd's units have it)."""

    def __init__(self, app: EtcdLite) -> None:
        self._app = app

    async def setup(self) -> None:
        await self._app.ready()
        # What is here now stays. The collector would hold up a write for 10 ms each time it looked at all of it again.
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_SECONDS)
        print(f"etcdlite ready {' '.join(self._app.client_urls)}", flush=True)
        _notify("READY=1")

    async def teardown(self) -> None:
        _notify("STOPPING=1")


def _notify(state: str) -> None:
    """Tell systemd, where it asked for that (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.connect(address.replace("@", "\0", 1))
        told.send(state.encode())


def parse(words: Sequence[str]) -> Config:
    """Flags, environment and configuration file into settings; without URLs, etcd's own.

    Says what is ignored. Raises SystemExit: 0 after --help and --version, 2 after telling all that is wrong."""
    try:
        parsed = flags.parse(words)
    except HelpAsked:
        print(flags.usage())
        raise SystemExit(0) from None
    except flags.VersionAsked:
        from etcdlite.tools import version

        print(version.text())
        raise SystemExit(0) from None
    except SettingsError as error:
        for problem in error.problems:
            _say(problem)
        _say("try --help")
        raise SystemExit(USAGE_ERROR) from None
    if parsed.ignored:
        _say("ignored, since it means nothing to one member: " + ", ".join(f"--{name}" for name in parsed.ignored))
    config = parsed.config
    if (config.cert_file or config.key_file) and not speaks_tls(config):
        _say("ignored, since no URL begins with https:// or unixs://: --cert-file, --key-file; nothing is encrypted")
    return config if config.listen_client_urls else dataclasses.replace(config, listen_client_urls=(DEFAULT_URL,))


def _say(text: str) -> None:
    print(f"etcdlite: {' '.join(text.split())}", file=sys.stderr)
