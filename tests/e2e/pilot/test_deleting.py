"""`delete`: what is gone afterwards, and what stays."""

from __future__ import annotations

import pytest

from tests.e2e.pilot.conftest import WEB, Pilot


def _running(here: Pilot, name: str) -> str:
    """A rolled out deployment of two; its ReplicaSet's name."""
    here("apply", "-f", "-", stdin=WEB.replace("web", name))
    here("rollout", "status", f"deployment/{name}", "--timeout=60s")
    return here("get", "rs", "-l", f"app={name}", "-o", "jsonpath={.items[0].metadata.name}")


def test_orphan_leaves_the_replica_set_and_its_pods(here: Pilot) -> None:
    owned = _running(here, "orphan")
    here("delete", "deploy", "orphan", "--cascade=orphan")
    here.fails("get", "deploy", "orphan")
    left = here.json("rs", owned)
    assert not left["metadata"].get("ownerReferences") and left["status"]["readyReplicas"] == 2
    here("delete", "rs", owned)


@pytest.mark.parametrize("how", ["background", "foreground"])
def test_the_others_take_all_along(here: Pilot, how: str) -> None:
    owned = _running(here, how)
    said = here("delete", f"deploy/{how}", f"--cascade={how}")
    assert said == f'deployment.apps "{how}" deleted from test-deleting namespace\n'
    if how == "background":
        here("wait", f"rs/{owned}", "--for=delete")
        here("wait", "pods", "-l", f"app={how}", "--for=delete")
    # the foreground way has waited for all of them by itself
    assert here("get", "deploy,rs,pods", "-l", f"app={how}", "-o", "name") == ""


def test_force_does_not_wait_for_the_node(here: Pilot) -> None:
    pod = {"name": "stubborn"}
    text = f"{{apiVersion: v1, kind: Pod, metadata: {pod}, spec: {{containers: [{{name: c, image: c}}]}}}}"
    here("create", "-f", "-", stdin=text)
    here("wait", "pod/stubborn", "--for=condition=Ready")
    done = here.run("delete", "pod", "stubborn", "--grace-period=0", "--force")
    assert (done.code, done.out) == (0, 'pod "stubborn" force deleted from test-deleting namespace\n')
    assert done.err == (
        "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
        "The resource may continue to run on the cluster indefinitely.\n"
    )
    here.fails("get", "pod", "stubborn")


def test_by_label_by_all_and_by_file(here: Pilot) -> None:
    here("create", "namespace", "test-deleting-all")
    there = ("-n", "test-deleting-all")
    for name in ("a", "b", "c"):
        here("create", "secret", "generic", name, *there)
    here("label", "secret", "a", "b", "x=y", *there)
    here("delete", "secrets", "-l", "x=y", "--dry-run=server", *there)
    assert len(here("get", "secrets", "-o", "name", *there).split()) == 3
    out = here("delete", "secrets", "-l", "x=y", "-o", "name", *there)
    assert out == "secret/a\nsecret/b\n"
    file = here.write("d", here("create", "secret", "generic", "d", "-o", "yaml", *there))
    here("delete", "-f", file, *there)
    assert here("get", "secrets", "-o", "name", *there) == "secret/c\n"
    said = here.fails("delete", "secrets", "--all", "-l", "x=y", *there)
    assert said.startswith("error: setting 'all' parameter but found a non empty selector.")
    here("delete", "secrets", "--all", *there)
    assert here("get", "secrets", "-o", "name", *there) == ""
    here("delete", "namespace", "test-deleting-all")
    here.fails("get", "namespace", "test-deleting-all")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "error: You must provide one or more resources by argument or filename."),
        ("cm", "error: resource(s) were provided, but no name was specified"),
        ("cm kube-root-ca.crt --all", "error: name cannot be provided when a selector is specified"),
        ("cm kube-root-ca.crt -l a=b", "error: name cannot be provided when a selector is specified"),
        ("cm kube-root-ca.crt --cascade=x", "error: invalid cascade value (x)."),
        ("cm kube-root-ca.crt --force --grace-period=3", "error: --force and --grace-period greater than 0"),
        ("cm kube-root-ca.crt --now --grace-period=3", "error: --now and --grace-period cannot be specified together"),
        ("cm nope", 'Error from server (NotFound): configmaps "nope" not found'),
        ("cm/nope job/nope", 'Error from server (NotFound): configmaps "nope" not found\nError from server (NotFound)'),
        ("-f nope.yaml", 'error: the path "nope.yaml" does not exist'),
    ],
)
def test_refusals(here: Pilot, words: str, said: str) -> None:
    result = here.run("delete", *words.split())
    assert (result.code, result.out) == (1, "") and result.err.startswith(said), result.err
    here("get", "cm", "kube-root-ca.crt")


def test_nothing_to_delete_is_no_failure(here: Pilot) -> None:
    assert here("delete", "jobs", "--all") == "No resources found\n"
    assert here("delete", "cm", "nope", "--ignore-not-found") == ""
