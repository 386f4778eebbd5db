"""`edit`, `patch`, `label`, `annotate` and `scale`: the object afterwards."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable

import pytest

from tests.e2e.pilot.conftest import Pilot

Editor = Callable[[str], str]


@pytest.fixture
def editor(here: Pilot) -> Editor:
    """Makes an editor of a shell script, in which $1 is the file and $turn counts its calls from 1."""

    def make(script: str) -> str:
        path = here.directory / "editor.sh"
        count = "turns=$0.turns; echo >> $turns; turn=$(wc -l < $turns)"
        path.write_text(f"#!/bin/sh\n{count}\n{script}\n")
        path.with_name("editor.sh.turns").write_text("")
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def name(here: Pilot, request: pytest.FixtureRequest) -> str:
    """A ConfigMap of the test's own, with a: b."""
    name = str(request.node.name).partition("[")[0].replace("_", "-").strip("-")
    here("delete", "cm", name, "--ignore-not-found")
    here("create", "configmap", name, "--from-literal=a=b")
    return name


def test_an_edit_is_sent(here: Pilot, name: str, editor: Editor) -> None:
    assert here("edit", "cm", name, KUBE_EDITOR=editor("sed -i 's/a: b/a: c/' $1")) == f"configmap/{name} edited\n"
    assert here.json("cm", name)["data"] == {"a": "c"}
    assert here("edit", "cm", name, KUBE_EDITOR="true") == "Edit cancelled, no changes made.\n"
    assert here("edit", "cm", name, KUBE_EDITOR="sed -i d") == "Edit cancelled, saved file was empty.\n"


def test_what_is_refused_is_edited_again(here: Pilot, name: str, editor: Editor) -> None:
    fixing = editor(
        'cp $1 $0.seen.$turn; if [ $turn = 1 ]; then sed -i "s/^data:/data: 7\\nx:/" $1; '
        'else sed -i "/^data: 7/d; s/^x:/data:/; s/a: b/a: d/" $1; fi'
    )
    result = here.run("edit", "cm", name, KUBE_EDITOR=fixing)
    assert (result.code, result.out) == (0, f"configmap/{name} edited\n")
    assert here.json("cm", name)["data"] == {"a": "d"}
    seen = (here.directory / "editor.sh.seen.2").read_text()
    assert "# The request is invalid: patch: " in seen and "\ndata: 7\n" in seen


def test_what_stays_refused_is_kept(here: Pilot, name: str, editor: Editor) -> None:
    breaking = editor("sed -i 's/^kind: .*/kind: [/' $1")
    err = here.fails("edit", "cm", name, KUBE_EDITOR=breaking, TMPDIR=str(here.directory))
    *_, cancelled, hint = err.splitlines()
    assert cancelled == "error: Edit cancelled, no valid changes were saved."
    copy = pathlib.Path(hint.split('"')[1])
    assert copy.parent == here.directory and "kind: [" in copy.read_text()
    assert here.json("cm", name)["data"] == {"a": "b"}


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        ("edit cm nope", "true", 'Error from server (NotFound): configmaps "nope" not found'),
        ("edit cm kube-root-ca.crt", "false", 'error: there was a problem with the editor "false"'),
        ("edit cm kube-root-ca.crt", "/nope", 'error: cannot start the editor "/nope"'),
        ("edit", "true", "error: You must provide one or more resources by argument or filename."),
        ("edit cm", "true", "error: resource(s) were provided, but no name was specified"),
    ],
)
def test_edits_that_cannot_begin(here: Pilot, words: str, environment: str, said: str) -> None:
    assert here.fails(*words.split(), KUBE_EDITOR=environment).startswith(said)


@pytest.mark.parametrize(
    ("kind", "patch", "containers"),
    [
        (
            "strategic",
            '{"spec":{"template":{"spec":{"containers":[{"name":"two","image":"two"}]}}}}',
            ["two:two", "one:one"],
        ),
        ("merge", '{"spec":{"template":{"spec":{"containers":[{"name":"two","image":"two"}]}}}}', ["two:two"]),
        ("json", '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"1"}]', ["one:1"]),
    ],
)
def test_patch(here: Pilot, kind: str, patch: str, containers: list[str]) -> None:
    here("create", "deployment", kind, "--image=one", "-r", "0")
    assert here("patch", "deploy", kind, f"--type={kind}", "-p", patch) == f"deployment.apps/{kind} patched\n"
    listed = here.json("deploy", kind)["spec"]["template"]["spec"]["containers"]
    assert sorted(f"{each['name']}:{each['image']}" for each in listed) == sorted(containers)
    if kind != "json":
        again = here("patch", "deploy", kind, f"--type={kind}", "-p", patch)
        assert again == f"deployment.apps/{kind} patched (no change)\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-p", "{"], 'error: unable to parse "{": '),
        (["-p", '{"data":7}'], "The request is invalid: patch: Invalid value: "),
        (["--type=json", "-p", '[{"op":"test","path":"/data/a","value":"z"}]'], "The request is invalid"),
        (["--type=nope", "-p", "{}"], "error: --type must be one of [json merge strategic]"),
        (["--patch-file=nope"], 'error: cannot read "nope": No such file or directory'),
        ([], "error: must specify --patch or --patch-file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refused_patches(here: Pilot, words: list[str], said: str) -> None:
    before = here.json("cm", "kube-root-ca.crt")
    assert here.fails("patch", "cm", "kube-root-ca.crt", *words).startswith(said)
    assert here.json("cm", "kube-root-ca.crt") == before


@pytest.mark.parametrize(("verb", "field"), [("label", "labels"), ("annotate", "annotations")])
def test_labels_and_annotations(here: Pilot, name: str, verb: str, field: str) -> None:
    past = "labeled" if verb == "label" else "annotated"
    assert here(verb, "cm", name, "a=1", "b=2") == f"configmap/{name} {past}\n"
    err = here.fails(verb, "cm", name, "a=2")
    assert "'a' already has a value (1), and --overwrite is false" in err
    here(verb, "cm", name, "a=2", "--overwrite", "b-")
    assert here.json("cm", name)["metadata"][field] == {"a": "2"}
    here(verb, "cm", name, "a=3", "--overwrite", "--dry-run=server")
    assert here.json("cm", name)["metadata"][field] == {"a": "2"}
    assert here(verb, "cm", name, "--list") == "a=2\n"
    assert here.fails(verb, "cm", name, "a=1", "a-").startswith("error: can not both modify and remove")


def test_scale(here: Pilot) -> None:
    here("create", "deployment", "scaled", "--image=a", "-r", "0")
    assert here("scale", "deploy/scaled", "--replicas=2", "--current-replicas=0") == "deployment.apps/scaled scaled\n"
    here("wait", "deploy/scaled", "--for=jsonpath={.status.readyReplicas}=2")
    assert "Expected replicas to be 9, was 2" in here.fails(
        "scale", "deploy/scaled", "--replicas=1", "--current-replicas=9"
    )
    here("scale", "deploy/scaled", "--replicas=1", "--dry-run=server")
    assert here.json("deploy", "scaled")["spec"]["replicas"] == 2
    assert here.fails("scale", "deploy/scaled").startswith('error: required flag(s) "replicas" not set')
    assert "COUNT must be greater than or equal to 0" in here.fails("scale", "deploy/scaled", "--replicas=-1")
    assert "cannot be scaled" in here.fails("scale", "cm/kube-root-ca.crt", "--replicas=1")


def test_replace_leaves_what_the_file_says_and_nothing_else(here: Pilot) -> None:
    here("create", "configmap", "whole", "--from-literal=a=1", "--from-literal=b=2")
    obj = here.json("configmap", "whole")
    file = here.write("whole.json", json.dumps({**obj, "data": {"b": "3"}}))
    assert here("replace", "-f", file) == "configmap/whole replaced\n"
    assert here.json("configmap", "whole")["data"] == {"b": "3"}
    assert "Conflict" in here.fails("replace", "-f", file), "the file names the version that it was written from"
    bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "whole"}, "data": {"c": "4"}}
    assert here("replace", "-f", here.write("bare.json", json.dumps(bare))) == "configmap/whole replaced\n"
    assert here.json("configmap", "whole")["data"] == {"c": "4"}
    gone = here.write("gone.json", json.dumps({**bare, "metadata": {"name": "gone"}}))
    assert here.fails("replace", "-f", gone) == (
        f'Error from server (NotFound): error when replacing "{gone}": configmaps "gone" not found'
    )


def test_run_expose_and_set_image(here: Pilot) -> None:
    assert here("run", "one", "--image=busybox", "--port=80", "--", "sleep", "60") == "pod/one created\n"
    assert here.json("pod", "one")["spec"]["containers"][0]["args"] == ["sleep", "60"]
    assert here("expose", "pod", "one", "--selector=run=one") == "service/one exposed\n"
    spec = here.json("service", "one")["spec"]
    assert (spec["selector"], spec["ports"][0]["targetPort"]) == ({"run": "one"}, 80)
    assert "--dry-run" not in here("run", "two", "--image=busybox", "--dry-run=server")
    assert "NotFound" in here.fails("get", "pod", "two")
    assert here("set", "image", "pod/one", "one=busybox:2") == "pod/one image updated\n"
    assert here("set", "image", "pod/one", "*=busybox:2") == "", "nothing to do, nothing said"
    assert here.json("pod", "one")["spec"]["containers"][0]["image"] == "busybox:2"
    assert here.fails("set", "image", "pod/one", "x=y") == 'error: unable to find container named "x"'


def test_documents_of_the_server(here: Pilot) -> None:
    assert json.loads(here("get", "--raw", "/version"))["major"] == "1"
    assert here("get", "--raw", "/healthz") == "ok"
    assert here.fails("get", "pods", "--raw", "/healthz").startswith("error: arguments may not be passed when --raw")
