"""`python -m etcdlite`: serves one store alone, with etcd's flags where they mean something here."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from collections.abc import Sequence

from actors import Actor, ChildSpec, Supervisor, SystemClock
from actors.runner import run
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.errors import DatabaseError
from etcdlite.listen import check_free
from etcdlite.store.log import check_usable
from machinery.process import logs, settings

DEFAULT_URL = "http://127.0.0.1:2379"
PROG = "etcdlite"
USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; returns the exit code: 0 after an ordered end, 1 when it cannot run, 2 for bad flags."""
    try:
        config = parse(arguments)
        app = EtcdLite(config, clock=SystemClock())
        if config.data_dir is not None:
            check_usable(config.data_dir)
        check_free(config)
        for file in (config.cert_file, config.key_file, config.trusted_ca_file):
            if file:
                pathlib.Path(file).read_bytes()
    except ValueError as error:
        print(f"etcdlite: {error}", file=sys.stderr)
        return USAGE_ERROR
    except (DatabaseError, OSError) as error:
        print(f"etcdlite: {error}", file=sys.stderr)
        return 1
    logs.setup()
    served = app.spec()
    spec = ChildSpec("root", lambda: Supervisor([served, ChildSpec("announce", lambda: Announcer(app))]))
    return run(spec, clock=SystemClock(), name="etcdlite")


class Announcer(Actor):
    """Says on standard output where the store is served, once it is: scripts wait for that line."""

    def __init__(self, app: EtcdLite) -> None:
        self._app = app

    async def setup(self) -> None:
        await self._app.ready()
        print(f"etcdlite ready {' '.join(self._app.client_urls)}", flush=True)


def parse(arguments: Sequence[str] | None) -> Config:
    """Flags, environment and `--config FILE` (etcd calls it `--config-file`) into settings; without URLs, etcd's own.

    Prints what is wrong and exits with code 2, as `settings.parse` does."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    words = [
        word.replace("--config-file", "--config", 1) if word.startswith("--config-file") else word for word in words
    ]
    config = settings.parse(Config, words, prog=PROG, description="A store that speaks the etcd v3 API, on SQLite.")
    return config if config.listen_client_urls else dataclasses.replace(config, listen_client_urls=(DEFAULT_URL,))


if __name__ == "__main__":
    sys.exit(main())
