"""`rollout`, `logs` and `wait` on workloads that run."""

from __future__ import annotations

import pytest

from tests.e2e.pilot.conftest import WEB, Pilot


def _image(here: Pilot, name: str) -> str:
    return here("get", "deploy", name, "-o", "jsonpath={.spec.template.spec.containers[0].image}")


def test_rollout(here: Pilot) -> None:
    here("apply", "-f", "-", stdin=WEB.replace("web", "rolled"))
    assert here("rollout", "status", "deploy/rolled").endswith('deployment "rolled" successfully rolled out\n')
    patch = (
        '{"metadata":{"annotations":{"kubernetes.io/change-cause":"second"}},'
        '"spec":{"template":{"spec":{"containers":[{"name":"rolled","image":"two"}]}}}}'
    )
    here("patch", "deploy/rolled", "-p", patch)
    here("rollout", "status", "deploy/rolled", "--timeout=60s")
    out = here("rollout", "history", "deploy/rolled")
    assert out == "deployment.apps/rolled \nREVISION  CHANGE-CAUSE\n1         <none>\n2         second\n\n"
    assert out == here.kubectl("rollout", "history", "deploy/rolled")
    detail = here("rollout", "history", "deploy/rolled", "--revision=2")
    assert detail.startswith("deployment.apps/rolled with revision #2\nPod Template:\n") and "two" in detail
    assert here("rollout", "undo", "deploy/rolled") == "deployment.apps/rolled rolled back\n"
    here("rollout", "status", "deploy/rolled", "--timeout=60s")
    assert _image(here, "rolled") == "busybox"
    revision = here.json("deploy", "rolled")["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    assert revision == "3"
    here("rollout", "undo", "deploy/rolled", "--to-revision=2")
    assert _image(here, "rolled") == "two"
    assert "unable to find specified revision 9" in here.fails("rollout", "undo", "deploy/rolled", "--to-revision=9")


def test_pause_holds_a_change_back_until_resume(here: Pilot) -> None:
    here("create", "deployment", "held", "--image=one")
    here("rollout", "status", "deploy/held", "--timeout=60s")
    assert here("rollout", "pause", "deploy/held") == "deployment.apps/held paused\n"
    assert here.json("deploy", "held")["spec"]["paused"] is True
    assert 'deployments.apps "held" is already paused' in here.fails("rollout", "pause", "deploy/held")
    assert "can't restart paused deployment" in here.fails("rollout", "restart", "deploy/held")
    here("patch", "deploy/held", "-p", '{"spec":{"template":{"metadata":{"labels":{"new":"yes"}}}}}')
    here("wait", "deploy/held", "--for=jsonpath={.status.observedGeneration}=3")
    assert len(here("get", "rs", "-l", "app=held", "-o", "name").split()) == 1
    here("rollout", "resume", "deploy/held")
    here("rollout", "status", "deploy/held", "--timeout=60s")
    assert len(here("get", "rs", "-l", "app=held", "-o", "name").split()) == 2
    assert 'deployments.apps "held" is not paused' in here.fails("rollout", "resume", "deploy/held")


def test_restart_replaces_the_pods(here: Pilot) -> None:
    here("create", "deployment", "again", "--image=one")
    here("rollout", "status", "deploy/again", "--timeout=60s")
    before = here("get", "pods", "-l", "app=again", "-o", "name")
    assert here("rollout", "restart", "deploy/again") == "deployment.apps/again restarted\n"
    here("rollout", "status", "deploy/again", "--timeout=60s")
    here("wait", before.strip(), "--for=delete", "--timeout=60s")
    annotations = here.json("deploy", "again")["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in annotations
    assert here("get", "pods", "-l", "app=again", "-o", "name") not in ("", before)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("status", "error: required resource not specified"),
        ("status cm/kube-root-ca.crt", "error: no status viewer has been implemented for ConfigMap"),
        ("restart cm/kube-root-ca.crt", 'error: configmaps "kube-root-ca.crt" restarting is not supported'),
        ("undo deploy/nope", 'Error from server (NotFound): deployments.apps "nope" not found'),
        ("nope", 'error: unknown command "nope" for "pilot rollout"'),
    ],
)
def test_rollouts_that_are_none(here: Pilot, words: str, said: str) -> None:
    assert here.fails("rollout", *words.split()).startswith(said)


def test_logs(here: Pilot, web: str) -> None:
    result = here.run("logs", web)
    assert result.out == "one\ntwo\nthree\n" and result.err.startswith("Found 2 pods, using pod/web-")
    assert here("logs", web, "--tail=1") == "three\n"
    assert here("logs", web, "--since=1h", "-c", "web") == "one\ntwo\nthree\n"
    lines = here("logs", "-l", "app=web", "--prefix", "--tail=1").splitlines()
    assert len(lines) == 2 and all(line.startswith("[pod/web-") and line.endswith("/web] three") for line in lines)
    assert len(here("logs", web, "--all-pods").splitlines()) == 6
    stamped = here("logs", web, "--timestamps").splitlines()
    assert stamped[0].endswith("Z one")
    with here.streaming("logs", "-f", web) as stream:
        assert stream.until("three") == "three"
    assert here.run("logs", "-l", "app=nope").err == "No resources found in test-workloads namespace.\n"


def test_logs_of_the_one_before(here: Pilot) -> None:
    container = "{name: c, image: c, command: [sh, -c, 'echo life; exit 1']}"
    here(
        "create",
        "-f",
        "-",
        stdin=f"{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{container}]}}}}",
    )
    here("wait", "pod/p", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "--timeout=60s")
    assert here("logs", "p", "--previous") == "life\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'."),
        ("nope", 'error: error from server (NotFound): pods "nope" not found in namespace "test-workloads"'),
        ("deploy/web -c nope", "error: container nope is not valid for pod web-"),
        ("deploy/web --tail=-2", "error: --tail must be greater than or equal to -1"),
        ("deploy/web --since=1s --since-time=2020-01-01T00:00:00Z", "error: at most one of `sinceTime`"),
        ("deploy/web -l a=b", "error: only a selector (-l) or a POD name is allowed"),
        ("deploy/web --previous", "Error from server (BadRequest): previous terminated container"),
    ],
)
def test_logs_that_are_none(here: Pilot, web: str, words: str, said: str) -> None:
    err = here.fails("logs", *words.split())
    assert any(line.startswith(said) for line in err.splitlines()), err


def test_wait(here: Pilot, web: str) -> None:
    met = "deployment.apps/web condition met\n"
    for condition in ("condition=Available", "condition=available=true", "jsonpath={.spec.replicas}=2", "create",
                      "jsonpath=.spec.replicas=2", "jsonpath={.status.readyReplicas}"):  # fmt: skip
        assert here("wait", web, f"--for={condition}", "--timeout=0") == met
    assert here("wait", "deploy/nope", "--for=delete") == here("wait", "deploy", "-l", "a=b", "--for=delete") == ""


def test_wait_for_what_happens_meanwhile(here: Pilot) -> None:
    with here.streaming("wait", "cm/later", "--for=create", "--timeout=30s") as stream:
        here("create", "configmap", "later")
        assert stream.line() == "configmap/later condition met"
        assert stream.ends() == (0, "")
    with here.streaming("wait", "cm/later", "--for=delete", "--timeout=30s", "-v=1") as stream:
        here("delete", "cm", "later")
        assert stream.ends()[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("deploy/web --for=delete --timeout=100ms", "error: timed out waiting for the condition on deployments/web"),
        ("deploy/web --for=condition=Nope --timeout=0", "error: condition not met for deployments/web"),
        ("deploy/nope --for=condition=Ready", 'Error from server (NotFound): deployments.apps "nope" not found'),
        ("deploy/nope --for=create --timeout=100ms", "error: timed out waiting for the condition on deployments/nope"),
        ("deploy -l a=b --for=condition=Ready", "error: no matching resources found"),
        ("deploy/web --for=nope", 'error: unrecognized condition: "nope"'),
        ("deploy/web --for=jsonpath={.a[=1", "error: jsonpath wait: "),
    ],
)
def test_waits_in_vain(here: Pilot, web: str, words: str, said: str) -> None:
    assert here.fails("wait", *words.split()).startswith(said)
