"""`create`: every generator, by what the server then has; and the same words as real kubectl's make the same object."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml

from tests.e2e.pilot.conftest import Pilot

RBAC = "rbac.authorization.k8s.io"

GENERATED: dict[str, tuple[str, dict[str, Any]]] = {
    "serviceaccount x": ("sa/x", {"kind": "ServiceAccount"}),
    "deployment x --image=a:1 --port=80 -r 0 -- run me": (
        "deploy/x",
        {
            "spec.replicas": 0,
            "spec.template.spec.containers.0.command": ["run", "me"],
            "spec.template.spec.containers.0.ports": [{"containerPort": 80, "protocol": "TCP"}],
            "spec.selector.matchLabels": {"app": "x"},
        },
    ),
    "job x --image=a -- true": ("job/x", {"spec.template.spec.containers.0.command": ["true"]}),
    "cronjob x --image=a --schedule=@yearly": ("cronjob/x", {"spec.schedule": "@yearly"}),
    "configmap x --from-literal=a=b=c --from-file=d --from-file=k=d/one --from-env-file=e": (
        "cm/x",
        {"data": {"a": "b=c", "one": "1", "two": "2", "k": "1", "E": "f g"}},
    ),
    "secret generic x --from-literal=a=b --type=my/type": ("secret/x", {"data": {"a": "Yg=="}, "type": "my/type"}),
    "secret docker-registry y --docker-username=u --docker-password=p": (
        "secret/y",
        {"type": "kubernetes.io/dockerconfigjson"},
    ),
    "service clusterip x --tcp=80:http --tcp=443": (
        "svc/x",
        {"spec.type": "ClusterIP", "spec.selector": {"app": "x"}, "spec.ports.0.targetPort": "http",
         "spec.ports.1.port": 443},
    ),
    "service clusterip headless --clusterip=None": ("svc/headless", {"spec.clusterIP": "None"}),
    "service nodeport np --tcp=80 --node-port=30123": ("svc/np", {"spec.ports.0.nodePort": 30123}),
    "service loadbalancer lb --tcp=80": ("svc/lb", {"spec.type": "LoadBalancer"}),
    "service externalname en --external-name=a.b": ("svc/en", {"spec.externalName": "a.b"}),
    "ingress x --rule=a.b/p*=svc:80,tls=s --class=c --annotation=k=v": (
        "ingress/x",
        {"spec.ingressClassName": "c", "spec.tls": [{"hosts": ["a.b"], "secretName": "s"}],
         "spec.rules.0.http.paths.0.pathType": "Prefix", "metadata.annotations": {"k": "v"}},
    ),
    "role x --verb=get,list --resource=deploy,pods/log --resource-name=n": (
        "role/x",
        {"rules": [{"apiGroups": [group], "resources": [resource], "resourceNames": ["n"], "verbs": ["get", "list"]}
                   for group, resource in (("", "pods/log"), ("apps", "deployments"))]},
    ),
    "rolebinding x --clusterrole=view --user=u --group=g --serviceaccount=default:d": (
        "rolebinding/x",
        {"roleRef.name": "view", "subjects": [
            {"kind": "User", "apiGroup": RBAC, "name": "u"}, {"kind": "Group", "apiGroup": RBAC, "name": "g"},
            {"kind": "ServiceAccount", "namespace": "default", "name": "d"}]},
    ),
    "quota x --hard=pods=50,services=50": ("quota/x", {"spec.hard": {"pods": "50", "services": "50"}}),
    "poddisruptionbudget x --selector=app=x --max-unavailable=50%": ("pdb/x", {"spec.maxUnavailable": "50%"}),
    "namespace generated": ("ns/generated", {"status.phase": "Active"}),
    "clusterrole generated --verb=get --non-resource-url=/x": (
        "clusterrole/generated", {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]}),
    "clusterrole combined --aggregation-rule=a=b": (
        "clusterrole/combined", {"aggregationRule.clusterRoleSelectors.0.matchLabels": {"a": "b"}}),
    "clusterrolebinding generated --clusterrole=view --user=u": (
        "clusterrolebinding/generated", {"subjects.0.name": "u"}),
    "priorityclass generated --value=7 --description=seven": (
        "priorityclass/generated", {"value": 7, "description": "seven"}),
}  # fmt: skip


def _at(obj: Any, path: str) -> Any:
    for step in path.split("."):
        obj = obj[int(step)] if isinstance(obj, list) else obj[step]
    return obj


@pytest.fixture(scope="module")
def files(here: Pilot) -> None:
    (here.directory / "d").mkdir()
    here.write("d/one", "1")
    here.write("d/two", "2")
    here.write("e", "# nothing\n\nE=f g\nNOT_IN_THE_ENVIRONMENT\n")


@pytest.mark.parametrize("words", GENERATED, ids=lambda words: " ".join(words.split()[:2]))
def test_what_is_made(here: Pilot, files: None, words: str) -> None:
    target, expected = GENERATED[words]
    said = here("create", *words.split())
    assert said.endswith(" created\n") and f"/{target.rpartition('/')[2]} " in said
    obj = here.json(target)
    assert {path: _at(obj, path) for path in expected} == expected
    assert obj["metadata"].get("namespace", "test-create") == "test-create"


def test_a_tls_secret_is_a_pair(here: Pilot) -> None:
    config = yaml.safe_load(here.kubeconfig.read_text())
    user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
    for name, data in (
        ("crt", user["client-certificate-data"]),
        ("key", user["client-key-data"]),
        ("other", cluster["certificate-authority-data"]),
    ):
        here.write(name, base64.b64decode(data).decode())
    assert "no PEM pair" in here.fails("create", "secret", "tls", "pair", "--cert=other", "--key=key")
    here("create", "secret", "tls", "pair", "--cert=crt", "--key=key")
    secret = here.json("secret", "pair")
    assert secret["type"] == "kubernetes.io/tls" and secret["data"]["tls.key"] == user["client-key-data"]


def test_a_job_from_a_cron_job(here: Pilot) -> None:
    here("create", "cronjob", "nightly", "--image=n:1", "--schedule=@yearly", "--", "true")
    here("create", "job", "now", "--from=cronjob/nightly")
    job, cron_job = here.json("job", "now"), here.json("cronjob", "nightly")
    assert job["metadata"]["ownerReferences"][0]["uid"] == cron_job["metadata"]["uid"]
    assert job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "n:1"
    assert "condition met" in here("wait", "job/now", "--for=condition=Complete", "--timeout=30s")


def test_a_token_speaks_for_its_account(here: Pilot) -> None:
    token = here("create", "token", "default", "--duration=1h").strip()
    assert "system:serviceaccount:test-create:default" in here("auth", "whoami", "--token", token)


@pytest.mark.parametrize("mode", ["client", "server"])
def test_a_dry_run_leaves_nothing(here: Pilot, mode: str) -> None:
    said = here("create", "configmap", "dry", f"--dry-run={mode}")
    assert said == f"configmap/dry created ({'server ' if mode == 'server' else ''}dry run)\n"
    here.fails("get", "cm", "dry")


def test_a_dry_run_is_a_manifest_that_kubectl_takes(here: Pilot) -> None:
    manifest = here("create", "deployment", "piped", "--image=a:1", "-r", "0", "--dry-run=client", "-o", "yaml")
    assert "namespace" not in yaml.safe_load(manifest)["metadata"]
    assert here.kubectl("create", "-f", "-", stdin=manifest) == "deployment.apps/piped created\n"
    assert here.json("deploy", "piped")["metadata"]["namespace"] == "test-create"


def test_what_can_be_made_is_made_and_the_rest_is_told(here: Pilot) -> None:
    here.write(
        "mixed.yaml",
        """
apiVersion: v1
kind: List
items:
- {apiVersion: example.com/v1, kind: Nope, metadata: {name: n}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: made}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: made}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: A_B}}
""",
    )
    result = here.run("create", "-f", "mixed.yaml")
    assert (result.code, result.out) == (1, "configmap/made created\n")
    unknown, hint, exists, invalid = result.err.splitlines()
    assert unknown == (
        'error: resource mapping not found for name: "n" namespace: "" from "mixed.yaml": '
        'no matches for kind "Nope" in version "example.com/v1"'
    )
    assert hint == "ensure CRDs are installed first"
    assert exists == (
        'Error from server (AlreadyExists): error when creating "mixed.yaml": configmaps "made" already exists'
    )
    assert invalid.startswith('The ConfigMap "A_B" is invalid: metadata.name: Invalid value: "A_B": ')


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "error: must specify one of -f and a kind to create"),
        ("nope x", "error: Unexpected args: [nope x]"),
        ("deployment x", 'error: required flag(s) "image" not set'),
        ("deployment A_B --image=x", 'error: failed to create deployment: Deployment.apps "A_B" is invalid: '),
        ("sa default", 'error: failed to create serviceaccount: serviceaccounts "default" already exists'),
        ("ns default", 'Error from server (AlreadyExists): namespaces "default" already exists'),
        ("cm c --from-literal=a", "error: invalid literal source a, expected key=value"),
        ("cm c --from-literal=a=b --from-literal=a=c", 'error: cannot add key "a", another key by that name already'),
        ("cm c --from-file=nope", "error: error reading nope: No such file or directory"),
        ("secret nope x", 'error: unknown command "nope" for "pilot create secret"'),
        ("role r --verb=get --resource=nope", 'error: the server doesn\'t have a resource type "nope"'),
        ("role r --resource=pods", "error: at least one verb must be specified"),
        ("rolebinding b --role=a --clusterrole=b", "error: exactly one of clusterrole or role must be specified"),
        ("clusterrolebinding b", 'error: required flag(s) "clusterrole" not set'),
        ("service clusterip s --tcp=x", "error: x is not a valid port"),
        ("ingress i --rule=x", "error: rule x is invalid and should be in format"),
        ("job j --from=deployment/x", "error: from must be an existing cronjob"),
        ("token nope", 'error: failed to create token: serviceaccounts "nope" not found'),
        ("cm c --dry-run=maybe", "error: Invalid dry-run value (maybe)."),
        ("-f nope.yaml", 'error: the path "nope.yaml" does not exist'),
    ],
)
def test_refusals(here: Pilot, words: str, said: str) -> None:
    result = here.run("create", *words.split())
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(said)


def test_a_warning_of_the_server_comes_before_the_result(here: Pilot) -> None:
    odd = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "odd"}, "spce": {}}
    name = here.write("odd.json", json.dumps(odd))
    for verb, done in (("create", "created"), ("apply", "configured")):
        with here.streaming(verb, "-f", name, "--validate=warn") as stream:
            code, said = stream.ends()
        lines = [line for line in said.splitlines() if "spce" in line or done in line]
        assert (code, lines) == (0, ['Warning: unknown field "spce"', f"configmap/odd {done}"])
