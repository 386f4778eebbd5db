"""`pilot config`, through the command line."""

from __future__ import annotations

import pathlib

import pytest

from cli.main import main
from machinery.client import kubeconfig


@pytest.fixture
def path(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    path = tmp_path / "config"
    clusters = [
        {"name": name, "cluster": {"server": f"https://{name}", "certificate-authority-data": "cGVt"}} for name in "ab"
    ]
    kubeconfig.write(
        path,
        {
            "clusters": clusters,
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in "ab"],
            "users": [{"name": name, "user": {"token": "secret"}} for name in "ab"],
            "current-context": "a",
        },
    )
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def test_get_contexts_marks_the_current_one(path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "get-contexts"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"],
        ["*", "a", "a", "a"],
        ["b", "b", "b"],
    ]


def test_use_context_is_remembered(path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "use-context", "b"]) == 0
    assert main(["config", "current-context"]) == 0
    assert capsys.readouterr().out == 'Switched to context "b".\nb\n'


def test_set_rename_and_delete(path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "set-context", "--current", "--namespace=shop"]) == 0
    assert main(["config", "rename-context", "a", "prod"]) == 0
    assert kubeconfig.load(path).namespace() == "shop"
    assert kubeconfig.load(path).current_context == "prod"
    assert main(["config", "delete-context", "prod"]) == 0
    assert sorted(kubeconfig.load(path).entries("contexts")) == ["b"]


def test_view_hides_secrets_unless_asked(path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "view"]) == 0
    assert "secret" not in capsys.readouterr().out
    assert main(["config", "view", "--raw", "--minify", "-o", "jsonpath={.users[*].user.token}"]) == 0
    assert capsys.readouterr().out == "secret"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["config", "use-context", "nope"], 'error: no context exists with the name: "nope"'),
        (["config", "use-context"], "error: exactly one name of a context is needed, got 0"),
        (["config", "delete-context", "nope"], "error: cannot delete context nope, not in"),
        (
            ["config", "rename-context", "a", "b"],
            'error: cannot rename the context "a", the context "b" already exists',
        ),
        (["config", "nope"], 'error: unknown command "nope" for "pilot config"'),
        (["get", "pods", "--context=nope"], 'error: context "nope" does not exist'),
        (["get", "pods", "--nope"], "error: unknown flag: --nope"),
        (["gett", "pods"], 'error: unknown command "gett" for "pilot"'),
        (["get", "pods"], "error: a has no gRPC address (pilothouse.dev/grpc): it was not made by pilot"),
    ],
)
def test_mistakes_are_told_in_one_line_and_a_hint(
    path: pathlib.Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(words) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(said)
    assert "Traceback" not in captured.err
