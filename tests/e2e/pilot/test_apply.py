"""`apply`: by client and by server, and turn about with real kubectl on one object."""

from __future__ import annotations

import json

import pytest

from tests.e2e.pilot.conftest import Pilot, Result

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def manifest(name: str, **data: str) -> str:
    lines = "".join(f"  {key}: {value!r}\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  labels: {{set: s}}\ndata:\n{lines}"


def test_created_configured_unchanged(here: Pilot) -> None:
    said = [
        here("apply", "-f", "-", stdin=manifest("c", **data)) for data in ({"a": "1", "b": "1"}, {"a": "2"}, {"a": "2"})
    ]
    assert said == [f"configmap/c {what}\n" for what in ("created", "configured", "unchanged")]
    here("patch", "cm", "c", "--type=merge", "-p", '{"data":{"theirs":"kept"}}')
    here("apply", "-f", "-", stdin=manifest("c", a="3"))
    assert here.json("cm", "c")["data"] == {"a": "3", "theirs": "kept"}


def test_turn_about_with_kubectl(here: Pilot) -> None:
    here("apply", "-f", "-", stdin=manifest("shared", a="1", b="1"))
    assert here.kubectl("apply", "-f", "-", stdin=manifest("shared", a="1", b="1")) == "configmap/shared unchanged\n"
    here.kubectl("apply", "-f", "-", stdin=manifest("shared", a="2"))
    assert here.json("cm", "shared")["data"] == {"a": "2"}
    annotation = here.json("cm", "shared")["metadata"]["annotations"][LAST_APPLIED]
    assert here("apply", "-f", "-", stdin=manifest("shared", a="2")) == "configmap/shared unchanged\n"
    assert here("apply", "-f", "-", stdin=manifest("shared", c="3")) == "configmap/shared configured\n"
    here.kubectl("apply", "-f", "-", stdin=manifest("shared", a="2"))
    obj = here.json("cm", "shared")
    assert (obj["data"], obj["metadata"]["annotations"][LAST_APPLIED]) == ({"a": "2"}, annotation)


def test_server_side(here: Pilot) -> None:
    file = here.write("ssa.yaml", manifest("ssa", a="1"))
    assert here("apply", "--server-side", "-f", file) == "configmap/ssa serverside-applied\n"
    managers = here.json("cm", "ssa", "--show-managed-fields")["metadata"]["managedFields"]
    assert [(each["manager"], each["operation"]) for each in managers] == [("kubectl", "Apply")]
    other = here.write("other.yaml", manifest("ssa", a="2"))
    theirs = ("apply", "--server-side", "--field-manager=other", "-f", other)
    err = here.fails(*theirs)
    assert err.startswith('error: Apply failed with 1 conflict: conflict with "kubectl": .data.a\n')
    assert "--force-conflicts" in err and here.json("cm", "ssa")["data"] == {"a": "1"}
    here(*theirs, "--force-conflicts")
    assert here.json("cm", "ssa")["data"] == {"a": "2"}
    here.kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=manifest("ssa", b="1"))
    assert here.json("cm", "ssa")["data"] == {"b": "1"}


@pytest.mark.parametrize("mode", ["client", "server"])
def test_a_dry_run_changes_nothing(here: Pilot, mode: str) -> None:
    suffix = "(server dry run)" if mode == "server" else "(dry run)"
    new, name = manifest(f"new-{mode}", a="1"), f"old-{mode}"
    assert here("apply", f"--dry-run={mode}", "-f", "-", stdin=new) == f"configmap/new-{mode} created {suffix}\n"
    here.fails("get", "cm", f"new-{mode}")
    here("apply", "-f", "-", stdin=manifest(name, a="1"))
    said = here("apply", f"--dry-run={mode}", "-f", "-", stdin=manifest(name, a="2"))
    assert said == f"configmap/{name} configured {suffix}\n" and here.json("cm", name)["data"] == {"a": "1"}


def test_prune(here: Pilot) -> None:
    here("create", "namespace", "test-apply-prune")
    here("create", "configmap", "not-applied", "-n", "test-apply-prune")
    pruning = ("apply", "-n", "test-apply-prune", "-f", "-")
    secret = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: {set: s}}\n"
    here(*pruning, stdin=manifest("kept", a="1") + "---\n" + manifest("left", a="1") + secret)
    said = here.fails(*pruning, "--prune", stdin=manifest("kept", a="2"))
    assert "error: all resources selected for prune without explicitly passing --all" in said
    assert here.json("cm", "kept", "-n", "test-apply-prune")["data"] == {"a": "1"}, "it refuses before it applies"
    out = here(*pruning, "--prune", "-l", "set=s", stdin=manifest("kept", a="2"))
    assert out == "configmap/kept configured\nconfigmap/left pruned\nsecret/s pruned\n"
    left = here("get", "cm,secrets", "-n", "test-apply-prune", "-o", "name").split()
    assert set(left) == {"configmap/kept", "configmap/not-applied", "configmap/kube-root-ca.crt"}
    here("delete", "namespace", "test-apply-prune", "--wait=false")


def test_a_directory_and_an_unknown_kind(here: Pilot) -> None:
    (here.directory / "dir" / "deeper").mkdir(parents=True)
    here.write("dir/one.yaml", manifest("one"))
    here.write("dir/two.json", '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "two"}}')
    here.write("dir/note.txt", "not: [yaml")
    here.write(
        "dir/deeper/three.yml", manifest("three") + "---\n{apiVersion: e.com/v1, kind: Nope, metadata: {name: n}}\n"
    )
    assert here("apply", "-f", "dir") == "configmap/one created\nconfigmap/two created\n"
    result = here.run("apply", "-R", "-f", "dir")
    assert (result.code, result.out) == (
        1,
        "configmap/three created\nconfigmap/one unchanged\nconfigmap/two unchanged\n",
    )
    assert 'no matches for kind "Nope" in version "e.com/v1"\nensure CRDs are installed first' in result.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "error: error parsing STDIN: "),
        ("a:\n\t- b", "error: error parsing STDIN: "),
        ("just text", "error: error parsing STDIN: "),
        ("", "error: no objects passed"),
        (
            "kind: Pod\nmetadata: {name: x}",
            'error: error validating "STDIN": error validating data: [apiVersion not set]',
        ),
        ("apiVersion: v1\nkind: ConfigMap", 'error: error when reading "STDIN": resource name may not be empty'),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, bogus: 1}",
            'Error from server (BadRequest): error when creating "STDIN": ',
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: nope}}",
            'Error from server (NotFound): error when creating "STDIN": namespaces "nope"',
        ),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: _}}", 'The ConfigMap "_" is invalid: metadata.name: '),
    ],
)
def test_bad_files(here: Pilot, text: str, said: str) -> None:
    result = here.run("apply", "-f", "-", stdin=text)
    assert (result.code, result.out) == (1, "") and result.err.startswith(said), result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "error: must specify -f"),
        ("-f nope.yaml", 'error: the path "nope.yaml" does not exist'),
        ("-f - extra", "error: Unexpected args: [extra]"),
        ("-f - --server-side --dry-run=client", "error: --dry-run=client doesn't work with --server-side"),
        ("-f - --prune --all -l a=b", "error: cannot set --all and --selector at the same time"),
        ("-f - --prune --all --prune-allowlist=x", "error: invalid GroupVersionKind format: x"),
        ("-f - --validate=x", "error: invalid - validate option"),
    ],
)  # fmt: skip
def test_refusals(here: Pilot, words: str, said: str) -> None:
    result = here.run("apply", *words.split(), stdin=manifest("never"))
    assert (result.code, result.out) == (1, "") and result.err.startswith(said), result.err


def test_diff_is_what_apply_would_change(here: Pilot) -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "differs"}, "data": {"a": "1"}}
    file = here.write("differs.json", json.dumps(settings))
    result = here.run("diff", "-f", file)
    assert result.code == 1 and '+  a: "1"' in result.out.splitlines()
    assert "NotFound" in here.fails("get", "configmap", "differs"), "it only asks"
    here("apply", "-f", file)
    assert here.run("diff", "-f", file) == Result(0, "", "")
    here.write("differs.json", json.dumps({**settings, "data": {"a": "2"}}))
    result = here.run("diff", "-f", file)
    changes = [line for line in result.out.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert (result.code, changes) == (1, ['-  a: "1"', '+  a: "2"'])
    assert here.json("configmap", "differs")["data"] == {"a": "1"}


def test_diff_keeps_secrets(here: Pilot) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "differs"}, "stringData": {"a": "1", "b": "2"}}
    file = here.write("secret.json", json.dumps(secret))
    here("apply", "-f", file)
    here.write("secret.json", json.dumps({**secret, "stringData": {"a": "1", "b": "3"}}))
    out = here.run("diff", "-f", file).out
    assert "-  b: '*** (before)'" in out and "+  b: '*** (after)'" in out and "   a: '***'" in out
    assert here.run("diff", "-f", "nope", KUBECTL_EXTERNAL_DIFF="none").code > 0
