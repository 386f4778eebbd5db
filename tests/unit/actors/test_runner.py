"""A process's main, driven as a process: exit codes, signals, the dump."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from actors.reports import with_traceback

PROGRAM = """
    import sys
    from actors import Actor, ChildSpec, Supervisor
    from actors.runner import run

    class Main(Actor):
        async def setup(self):
            if sys.argv[1] == "fails":
                raise OSError(98, "port in use")
            print("ready", flush=True)
            if sys.argv[1] == "crashes":
                self.spawn(self.crash(), name="crash")
            if sys.argv[1] == "finishes":
                self.finish()

        async def crash(self):
            raise ValueError("boom")

        async def teardown(self):
            print("closed", flush=True)
            if sys.argv[1] == "hangs":
                await self.clock.sleep(60)

    sys.exit(run(ChildSpec("main", Main)))
"""


def start(case: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), case],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("case", "code", "says"),
    [("fails", 1, "port in use"), ("crashes", 1, "boom"), ("finishes", 0, "")],
)
def test_exit_codes(case: str, code: int, says: str) -> None:
    with start(case) as process:
        _, err = process.communicate(timeout=20)
        assert process.returncode == code
        assert says in err


def test_what_the_host_refuses_is_one_line() -> None:
    with start("fails") as process:
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (1, "ended by an error name=pilothouse error=[Errno 98] port in use\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order(number: signal.Signals) -> None:
    with start("serves") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "closed\n", "")


def test_a_second_interrupt_kills() -> None:
    with start("hangs") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "closed\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 130


def test_usr1_dumps_the_tree_and_the_stacks() -> None:
    with start("serves") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stderr.readline() == "main  Main running\n"
        while "Stack for <Task" not in (line := process.stderr.readline()):
            assert line, "the dump ended without a stack"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def test_a_refusal_told_in_a_sentence_needs_no_traceback() -> None:
    """`OSError("cannot listen on ...")` has no number; a subclass without one is a surprise."""
    assert with_traceback(OSError("cannot listen on unix:/x: No such file or directory")) is None
    assert with_traceback(OSError(98, "port in use")) is None
    surprise = ConnectionError("lost")
    assert with_traceback(surprise) is surprise
