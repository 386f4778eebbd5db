"""`main`: whatever a command does, the user sees lines and an exit code, never a traceback."""

from __future__ import annotations

import errno
import logging

import pytest

import cli.commands.version as version
from cli.command import Command
from cli.errors import ServerError
from cli.flags import Parsed
from cli.main import main
from machinery.errors import ApiError, ServiceUnavailable
from machinery.rpc import Code, RpcError


def _failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    async def run(session: object, flags: Parsed) -> int:
        raise error

    monkeypatch.setattr(version, "COMMAND", Command("version", "", "version", run))


def test_a_fault_of_our_own_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _failing(monkeypatch, KeyError("some\nkey"))
    assert main(["version"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: internal error: KeyError: 'some\\nkey' (run it again with -v=8 for the details)\n"


def test_without_a_word_the_overview_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert "Cluster management:" in out and err == ""


@pytest.mark.parametrize("words", [["-v=8"], ["-v", "8"], ["--v=8"], ["-v8"]], ids=" ".join)
def test_its_details_are_for_those_who_ask(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    words: list[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    _failing(monkeypatch, ZeroDivisionError("by zero"))
    assert main(["version", *words]) == 1
    assert capsys.readouterr().err == "error: internal error: ZeroDivisionError: by zero\n"
    assert "Traceback" in caplog.text


def test_a_fault_while_a_command_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delattr(version, "COMMAND")
    assert main(["version"]) == 1
    assert capsys.readouterr().err.startswith("error: internal error: AttributeError: ")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "error: No space left on device\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "error: /x: Permission denied\n"),
    ],
)
def test_what_the_machine_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError, said: str
) -> None:
    _failing(monkeypatch, error)
    assert main(["version"]) == 1
    assert capsys.readouterr().err == said


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _failing(monkeypatch, KeyboardInterrupt())
    assert main(["version"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ApiError("no", code=422, details={"kind": "Pod", "name": "p"}), 'The Pod "p" is invalid'),
        (ApiError("no sense", code=422), "The request is invalid: no sense"),
        (
            ApiError("x", code=422, details={"causes": [{"field": "patch", "message": "bad"}]}),
            "The request is invalid: patch: bad",
        ),
        (ApiError("x", code=422, details={"causes": [{"message": "bad"}]}), "The request is invalid: bad"),
        (
            ApiError(
                "x",
                code=422,
                details={
                    "kind": "Pod",
                    "name": "p",
                    "causes": [{"field": "a", "message": "1"}, {"field": "b", "message": "2"}] * 2,
                },
            ),
            'The Pod "p" is invalid: \n* a: 1\n* b: 2',
        ),
        (ApiError("who?", code=401), "error: You must be logged in to the server (who?)"),
        (ApiError("no", code=403, reason="Forbidden"), "Error from server (Forbidden): no"),
    ],
)
def test_what_a_server_said_is_told_as_kubectl_tells_it(error: ApiError, said: str) -> None:
    assert ServerError(error).render() == said


def test_help_shows_defaults_as_kubectl_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "create", "--help"]) == 0
    assert "        --ttl=24h0m0s:\n" in capsys.readouterr().out
    assert main(["options"]) == 0
    assert "        --request-timeout=0s:\n" in capsys.readouterr().out
    assert main(["up", "--help"]) == 0
    said = capsys.readouterr().out
    assert "        --etcd-port:\n" in said
    assert "=:" not in said
    assert main(["init", "--help"]) == 0
    assert "        --apiserver-cert-extra-sans=[]:\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        "version", "version --client", "api-versions", "api-resources", "auth whoami", "config current-context",
        "config view", "config get-clusters", "config get-users", "tree", "token list", "token generate", "up",
    ],
)  # fmt: skip
@pytest.mark.parametrize("extra", [["a"], ["--", "a"]], ids=["word", "dashed"])
def test_who_takes_no_arguments_refuses_them(capsys: pytest.CaptureFixture[str], words: str, extra: list[str]) -> None:
    assert main([*words.split(), *extra]) == 1
    captured = capsys.readouterr()
    path = words.removesuffix(" --client")
    assert (captured.out, captured.err.splitlines()) == (
        "",
        ["error: unexpected arguments: [a]", f"See 'pilot {path} --help' for usage."],
    )


@pytest.mark.parametrize(
    ("words", "called"),
    [
        ("create svc clusterip", "create service clusterip"),
        ("create deploy", "create deployment"),
        ("create resourcequota", "create quota"),
        ("create cm", "create configmap"),
        ("create pc", "create priorityclass"),
        ("config use", "config use-context"),
    ],
)
def test_an_alias_calls_the_same_command(capsys: pytest.CaptureFixture[str], words: str, called: str) -> None:
    helps = []
    for typed in (words, called):
        assert main([*typed.split(), "--help"]) == 0
        helps.append(capsys.readouterr().out)
    assert helps[0] == helps[1] and f"  pilot {called} " in helps[0]


def test_help_tells_a_command_once_and_its_aliases(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "--help"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert "service" in listed and "svc" not in listed
    assert main(["create", "svc", "--help"]) == 0
    said = capsys.readouterr().out
    assert "Aliases:\n  service, svc\n" in said and "Create an ExternalName service\n" in said


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Connection refused", "Connection refused"),
        ("Handshake read failed (Endpoint closing)", "it takes the connection and does not answer"),
        ("Handshake read failed (Socket closed)", "it ended the connection before it answered"),
    ],
)
@pytest.mark.parametrize("service", ["API", "another"])
def test_why_a_server_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str, told: str, service: str
) -> None:
    whole = f"failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: {said}"
    error = ServiceUnavailable(whole) if service == "API" else RpcError(Code.UNAVAILABLE, whole)
    _failing(monkeypatch, error)
    assert main(["version"]) == 1
    assert capsys.readouterr().err.startswith(f"error: cannot reach the server: {told}\n")


def test_a_host_that_nobody_knows_is_said_without_grpcs_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = (
        "errors resolving foo:1: [field:hostname lookup error:address lookup failed for foo:1: Domain name not found]"
    )
    _failing(monkeypatch, ServiceUnavailable(said))
    assert main(["version"]) == 1
    assert capsys.readouterr().err.startswith("error: cannot reach the server: the host of foo:1 is not known\n")


@pytest.mark.parametrize("command", ["up", "init"])
def test_an_empty_etcd_is_not_our_own(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A variable that is not set must not end in a cluster whose objects are in memory."""
    assert main([command, "--etcd-servers", ""]) == 1
    assert capsys.readouterr().err.startswith("error: --etcd-servers: names no etcd, it is empty")
