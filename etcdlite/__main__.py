"""`python -m etcdlite`: serves one store alone, with etcd's flags where they mean something here."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from actors import Actor, ChildSpec, Supervisor, SystemClock
from actors.runner import run
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.errors import DatabaseError
from etcdlite.store.compaction import parse_duration
from etcdlite.store.log import check_usable

DEFAULT_URL = "http://127.0.0.1:2379"
USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; returns the exit code: 0 after an ordered end, 1 when it cannot run, 2 for bad flags."""
    try:
        config = parse(arguments)
        app = EtcdLite(config, clock=SystemClock())
        if config.data_dir is not None:
            check_usable(config.data_dir)
    except ValueError as error:
        print(f"etcdlite: {error}", file=sys.stderr)
        return USAGE_ERROR
    except DatabaseError as error:
        print(f"etcdlite: {error}", file=sys.stderr)
        return 1
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
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
    """Flags into settings. Raises ValueError; exits with code 2 for flags that argparse refuses."""
    defaults = Config()
    parser = argparse.ArgumentParser(
        prog="python -m etcdlite", description="A store that speaks the etcd v3 API, on SQLite.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--name", default=defaults.name, help="name of this member")
    add("--data-dir", default=None, help="directory of the database; without it everything is kept in memory only")
    add("--listen-client-urls", default=DEFAULT_URL, help="comma-separated URLs to serve (default %(default)s)")
    add("--advertise-client-urls", default="", help="comma-separated URLs that the member list tells clients")
    add("--cert-file", default="", help="PEM certificate of the server, for https")
    add("--key-file", default="", help="its PEM key")
    add("--trusted-ca-file", default="", help="PEM authorities that client certificates must come from")
    add("--client-cert-auth", action="store_true", help="refuse clients without such a certificate")
    add("--quota-backend-bytes", type=int, default=0, help="size at which writes are refused; 0: 2 GiB")
    add("--max-request-bytes", type=int, default=defaults.max_request_bytes, help="largest write, in bytes")
    add("--max-txn-ops", type=int, default=defaults.max_txn_ops, help="most operations in one transaction")
    add("--auto-compaction-mode", choices=("periodic", "revision"), default=defaults.auto_compaction_mode)
    add("--auto-compaction-retention", default="0", help="history kept: a duration, or a number of revisions")
    add("--watch-progress-notify-interval", default="10m", help="time between progress notifications")
    add("--cache-bytes", type=int, default=defaults.cache_bytes, help="records kept in memory beside the file")
    given = parser.parse_args(arguments)
    return Config(
        name=given.name,
        data_dir=given.data_dir,
        listen_client_urls=_urls(given.listen_client_urls),
        advertise_client_urls=_urls(given.advertise_client_urls),
        cert_file=given.cert_file,
        key_file=given.key_file,
        trusted_ca_file=given.trusted_ca_file,
        client_cert_auth=given.client_cert_auth,
        quota_backend_bytes=given.quota_backend_bytes,
        max_request_bytes=given.max_request_bytes,
        max_txn_ops=given.max_txn_ops,
        auto_compaction_mode=given.auto_compaction_mode,
        auto_compaction_retention=given.auto_compaction_retention,
        watch_progress_notify_interval=parse_duration(given.watch_progress_notify_interval),
        cache_bytes=given.cache_bytes,
    )


def _urls(text: str) -> tuple[str, ...]:
    return tuple(url for url in text.split(",") if url)


if __name__ == "__main__":
    sys.exit(main())
