"""`pilot` without its imports: a process that has them, and forks for every call.

A call of `pilot` spends most of its time on imports. Tests make hundreds of calls, so they go through one process that
has imported what commands need and does nothing else; each call is a fork of it with its own words, environment,
directory and standard channels, and ends as the command ends.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO

IMPORTED_ONCE = ("cli.__main__", "grpc", "machinery.client.grpc", "machinery.client.dial", "machinery.manifest")


class Forks:
    """The process, seen from the tests. One call at a time."""

    def __init__(self, root: str) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=root, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip

    def run(
        self, words: Sequence[str], *, stdin: str, env: Mapping[str, str], cwd: str, timeout: float
    ) -> tuple[int, str, str]:
        """Run `pilot WORDS` to its end: exit code, standard output, standard error. Raises TimeoutError."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            call = json.dumps({"words": list(words), "env": dict(env), "cwd": cwd}).encode()
            socket.send_fds(self._socket, [call], [each.fileno() for each in (given, out, err)])
            self._socket.settimeout(timeout)
            answer = self._socket.recv(64)
            if not answer:
                raise EOFError("the process that forks has ended")
            return os.waitstatus_to_exitcode(int(answer)), _text(out), _text(err)

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._process.wait(timeout=10)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def serve(connection: socket.socket) -> None:
    """Fork for every call until the tests hang up."""
    modules = [*IMPORTED_ONCE]
    for package in ("cli", "cli.commands", "cli.output"):
        path = importlib.import_module(package).__path__
        modules += [f"{package}.{module.name}" for module in pkgutil.iter_modules(path)]
    for name in modules:
        importlib.import_module(name)
    gc.freeze()
    while True:
        call, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        if not call:
            return
        child = os.fork()
        if not child:
            connection.close()
            _become(json.loads(call), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(child, 0)
        connection.send(str(status).encode())


def _become(call: Mapping[str, object], descriptors: Sequence[int]) -> None:
    """What `python -m cli WORDS` is, from here to its end."""
    from cli.main import main

    code = 70
    try:
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(call["env"])  # type: ignore[call-overload]  # it comes from `Forks.run`
        os.chdir(str(call["cwd"]))
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        words: list[str] = call["words"]  # type: ignore[assignment]  # as above
        sys.argv = ["pilot", *words]
        code = main(words)
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as theirs:
        serve(theirs)
