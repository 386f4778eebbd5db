"""`config` on a list of kubeconfig files, and contexts that lead nowhere."""

from __future__ import annotations

import os

import pytest
import yaml

from tests.e2e.pilot.conftest import Pilot


def test_a_list_of_files(here: Pilot) -> None:
    first = {
        "apiVersion": "v1",
        "kind": "Config",
        "contexts": [{"name": "old", "context": {"cluster": "c", "user": "u"}}],
    }
    here.write("first", yaml.safe_dump(first))
    listed = {"KUBECONFIG": os.pathsep.join(["first", "missing", "kubeconfig"])}
    main = here.kubeconfig.read_text()

    assert here("config", "get-contexts", "-o", "name", **listed) == "main\nold\n"
    assert here("config", "current-context", **listed) == "main\n"
    here("config", "set-context", "new", "--cluster=main", "--user=main", "--namespace=test-config", **listed)
    here("config", "rename-context", "old", "older", **listed)
    written = yaml.safe_load((here.directory / "first").read_text())
    assert {item["name"] for item in written["contexts"]} == {"new", "older"}
    assert here.kubeconfig.read_text() == main, "what others have written stays as it is"

    assert here("config", "use-context", "new", **listed) == 'Switched to context "new".\n'
    assert here("get", "cm", "-o", "name", **listed) == "configmap/kube-root-ca.crt\n"
    minified = yaml.safe_load(here("config", "view", "--minify", **listed))
    assert [item["name"] for item in minified["contexts"]] == ["new"]
    assert minified["users"][0]["user"]["client-key-data"] == "DATA+OMITTED"
    here("config", "delete-context", "new", **listed)
    assert here("config", "get-contexts", "-o", "name", **listed) == "main\nolder\n"
    assert here.kubectl("config", "get-contexts", "-o", "name") == "main\n"
    here("config", "use-context", "main", **listed)


def test_a_file_that_is_not_there_yet(alone: Pilot) -> None:
    assert yaml.safe_load(alone("config", "view"))["contexts"] == []
    assert alone("config", "set-context", "c", "--cluster=x") == 'Context "c" created.\n'
    assert yaml.safe_load(alone.kubeconfig.read_text())["contexts"][0]["context"]["cluster"] == "x"
    assert oct(alone.kubeconfig.stat().st_mode & 0o777) == "0o600"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("config current-context", "error: current-context is not set"),
        ("config use-context nope", 'error: no context exists with the name: "nope"'),
        ("config set-context", "error: you must specify a non-empty context name or --current"),
        ("config set-context --current a", "error: you cannot specify both a context name and --current"),
        ("config rename-context a b", 'error: cannot rename the context "a", it\'s not in '),
        ("config delete-cluster nope", "error: cannot delete cluster nope, not in "),
        ("config nope", 'error: unknown command "nope" for "pilot config"'),
        ("get pods", "error: current-context is not set\nStart a cluster with 'pilot up'"),
        ("get pods --context nope", 'error: context "nope" does not exist'),
        ("get pods --kubeconfig nope", "error: stat nope: no such file or directory"),
    ],
)
def test_refusals(alone: Pilot, words: str, said: str) -> None:
    result = alone.run(*words.split())
    assert (result.code, result.out) == (1, "") and result.err.startswith(said), result.err
