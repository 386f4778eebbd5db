"""Bad input gets what Kubernetes answers, in the words that kubectl prints for a real server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.kubectl.conftest import WEB, Cluster
from tests.support.kubectl import Kubectl

HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
DEPLOYMENT = (
    'Error from server (BadRequest): error when creating "STDIN": Deployment in version "v1" cannot be handled as a '
    "Deployment: "
)
NOT_VALID = "if you choose to ignore these errors, turn validation off with --validate=false"

MANIFESTS = {
    "unknown field": (
        HEAD + "colour: red\n",
        (
            'Error from server (BadRequest): error when creating "STDIN": ConfigMap in version "v1" cannot be '
            "handled as a "
            'ConfigMap: strict decoding error: unknown field "colour"'
        ),
    ),
    "unknown fields deep inside": (
        WEB.replace("image: web:1", "image: web:1\n        imagePolicy: Always") + "  replica: 2\n",
        DEPLOYMENT + 'strict decoding error: unknown field "spec.replica", '
        'unknown field "spec.template.spec.containers[0].imagePolicy"',
    ),
    "wrong type": (
        WEB.replace("replicas: 2", "replicas: many"),
        DEPLOYMENT + "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    ),
    "wrong quantity": (
        WEB.replace("image: web:1", "image: web:1\n        resources: {limits: {cpu: lots}}"),
        DEPLOYMENT + "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ),
    "no name": (
        "apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n",
        'The ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
    ),
    "bad name": (
        HEAD.replace("name: x", "name: Not_Good"),
        (
            'The ConfigMap "Not_Good" is invalid: metadata.name: Invalid value: "Not_Good": a lowercase RFC 1123 '
            "subdomain "
            "must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
            "alphanumeric "
            "character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        ),
    ),
    "bad key": (
        HEAD + "data: {'a b': c}\n",
        (
            'The ConfigMap "x" is invalid: data[a b]: Invalid value: "a b": a valid config key must consist of '
            "alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex "
            "used for validation is "
            "'[-._a-zA-Z0-9]+')"
        ),
    ),
    "no selector": (
        WEB.replace("  selector: {matchLabels: {app: web}}\n", ""),
        (
            'The Deployment "web" is invalid: \n* spec.selector: Required value\n'
            '* spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'
        ),
    ),
    "selector of others": (
        WEB.replace("matchLabels: {app: web}", "matchLabels: {app: other}"),
        (
            'The Deployment "web" is invalid: spec.template.metadata.labels: Invalid value: {"app":"web"}: '
            "`selector` does not match template `labels`"
        ),
    ),
    "no image": (
        WEB.replace("        image: web:1\n", ""),
        'The Deployment "web" is invalid: spec.template.spec.containers[0].image: Required value',
    ),
    "bad port": (
        WEB.replace("containerPort: 80", "containerPort: 99999"),
        (
            'The Deployment "web" is invalid: spec.template.spec.containers[0].ports[0].containerPort: '
            "Invalid value: 99999: must be between 1 and 65535, inclusive"
        ),
    ),
    "bad enumeration": (
        WEB.replace("image: web:1", "image: web:1\n        imagePullPolicy: Sometimes"),
        (
            'The Deployment "web" is invalid: spec.template.spec.containers[0].imagePullPolicy: Unsupported value: '
            '"Sometimes": supported values: "Always", "IfNotPresent", "Never"'
        ),
    ),
    "unknown kind": (
        HEAD.replace("ConfigMap", "Bogus"),
        (
            'error: resource mapping not found for name: "x" namespace: "" from "STDIN": no matches for kind "Bogus" '
            'in version "v1"\nensure CRDs are installed first'
        ),
    ),
    "unknown version": (
        HEAD.replace("v1", "v7"),
        (
            'error: resource mapping not found for name: "x" namespace: "" from "STDIN": no matches for kind '
            '"ConfigMap" '
            'in version "v7"\nensure CRDs are installed first'
        ),
    ),
    "no kind": (
        "apiVersion: v1\nmetadata: {name: x}\n",
        f'error: error validating "STDIN": error validating data: kind not set; {NOT_VALID}',
    ),
    "no version": (
        "kind: ConfigMap\nmetadata: {name: x}\n",
        f'error: error validating "STDIN": error validating data: apiVersion not set; {NOT_VALID}',
    ),
    "broken YAML": (
        "a: [b\n",
        "error: error parsing STDIN: error converting YAML to JSON: yaml: line 1: did not find expected ',' or ']'",
    ),
    "broken JSON": ('{"a":', "error: error parsing STDIN: unexpected EOF"),
    "nothing": ("", "error: no objects passed to create"),
    "another namespace": (
        HEAD.replace("name: x", "name: x, namespace: elsewhere"),
        (
            'error: the namespace from the provided object "elsewhere" does not match the namespace "{namespace}". '
            "You must pass '--namespace=elsewhere' to perform this operation."
        ),
    ),
}


@pytest.mark.parametrize("case", MANIFESTS)
async def test_manifests(cluster: Cluster, kubectl: Kubectl, case: str) -> None:
    text, expected = MANIFESTS[case]
    where = ("-n", cluster.namespace) if "{namespace}" in expected else ()
    said = await kubectl.fails("create", "-f", "-", *where, stdin=text)
    assert said == expected.replace("{namespace}", cluster.namespace)
    assert await kubectl("get", "deploy", "-o", "name") == ""


COMMANDS = {
    "get nopes": 'error: the server doesn\'t have a resource type "nopes"',
    "get pods nope": 'Error from server (NotFound): pods "nope" not found',
    "get cm x -n no-such-namespace": 'Error from server (NotFound): namespaces "no-such-namespace" not found',
    "create cm x -n no-such-namespace": ('error: failed to create configmap: namespaces "no-such-namespace" not found'),
    "create namespace kube-system": 'Error from server (AlreadyExists): namespaces "kube-system" already exists',
    "get pods -l a=b=c": (
        'Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "a=b=c", field '
        "selector \"\": found '=', expected: ',' or 'end of string'"
    ),
    "get pods -l a,,b": (
        'Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "a,,b", field '
        "selector \"\": found ',', expected: identifier after ','"
    ),
    "get pods --field-selector spec.nope=1": (
        'Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "", field '
        'selector "spec.nope=1": field label not supported: spec.nope'
    ),
    "get cm --field-selector data.a=1": (
        'Error from server (BadRequest): Unable to find "/v1, Resource=configmaps" that match label selector "", field '
        'selector "data.a=1": "data.a" is not a known field selector: only "metadata.name", "metadata.namespace"'
    ),
    "scale deploy nope --replicas=1": 'error: no objects passed to scale deployments.apps "nope" not found',
    "label cm c a=b!": (
        'error: invalid label value: "a=b!": a valid label must be an empty string or consist of alphanumeric '
        "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
        "'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    ),
    "rollout status cm/c": "error: no status viewer has been implemented for ConfigMap",
    "create clusterrole x --verb=get --resource=nopes": 'the server doesn\'t have a resource type "nopes"',
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_commands(kubectl: Kubectl, command: str) -> None:
    await kubectl("create", "configmap", "c")
    assert await kubectl.fails(*command.split()) == COMMANDS[command]


PATCHES = {
    "a test that fails": (
        "json",
        '[{"op":"test","path":"/data/a","value":"2"}]',
        "The request is invalid: the server rejected our request due to an error in our request",
    ),
    "a path that is not there": (
        "json",
        '[{"op":"remove","path":"/data/x"}]',
        "The request is invalid: the server rejected our request due to an error in our request",
    ),
    "no JSON": ("strategic", '{"data":', "Error from server (BadRequest): unexpected end of JSON input"),
    "a number for a text": (
        "strategic",
        '{"data":{"a":2}}',
        'The request is invalid: patch: Invalid value: "map[data:map[a:2]]": cannot convert int64 to string',
    ),
    "another name": (
        "merge",
        '{"metadata":{"name":"b"}}',
        "Error from server (BadRequest): the name of the object (b) does not match the name on the URL (c)",
    ),
    "an old version": (
        "merge",
        '{"metadata":{"resourceVersion":"1"}}',
        (
            'Error from server (Conflict): Operation cannot be fulfilled on configmaps "c": the object has been '
            "modified; "
            "please apply your changes to the latest version and try again"
        ),
    ),
    "a label that is none": (
        "merge",
        '{"metadata":{"labels":{"a":"b!"}}}',
        (
            'The ConfigMap "c" is invalid: metadata.labels: Invalid value: "b!": a valid label must be an empty '
            "string or "
            "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
            "character "
            "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
            "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        ),
    ),
}


@pytest.mark.parametrize("case", PATCHES)
async def test_patches(kubectl: Kubectl, case: str) -> None:
    kind, patch, expected = PATCHES[case]
    await kubectl("create", "configmap", "c", "--from-literal=a=1")
    assert await kubectl.fails("patch", "cm", "c", f"--type={kind}", "-p", patch) == expected
    assert await kubectl("get", "cm", "c", "-o", "jsonpath={.data}") == '{"a":"1"}'


async def test_validation_can_be_a_warning_or_off(kubectl: Kubectl) -> None:
    text = HEAD + "colour: red\n"
    result = await kubectl.run("create", "-f", "-", "--validate=warn", stdin=text)
    assert (result.code, result.out, result.err) == (0, "configmap/x created\n", 'Warning: unknown field "colour"\n')
    result = await kubectl.run("apply", "-f", "-", "--validate=ignore", stdin=text.replace("name: x", "name: z"))
    assert (result.code, result.out, result.err) == (0, "configmap/z created\n", "")
    said = await kubectl.fails("apply", "--server-side", "--validate=ignore", "-f", "-", stdin=text)
    assert said.endswith("Kind=ConfigMap): .colour: field not declared in schema")


async def test_fields_that_do_not_change(kubectl: Kubectl, web: str) -> None:
    changed = web.replace("app: web", "app: other")
    said = await kubectl.fails("apply", "-f", "-", stdin=changed)
    assert said == (
        'The Deployment "web" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: '
        "field is immutable"
    )
    await kubectl("run", "p", "--image=busybox")
    said = await kubectl.fails("patch", "pod", "p", "-p", '{"spec":{"restartPolicy":"Never"}}')
    assert 'The Pod "p" is invalid: spec: Forbidden: pod updates may not change fields other than ' in said
    await kubectl("create", "job", "j", "--image=busybox", "--", "true")
    said = await kubectl.fails("patch", "job", "j", "-p", '{"spec":{"completions":5}}')
    assert 'The Job "j" is invalid: spec.completions: Invalid value: 5: field is immutable' in said
    await kubectl("create", "secret", "generic", "s")
    said = await kubectl.fails("patch", "secret", "s", "-p", '{"type":"other"}')
    assert said == 'The Secret "s" is invalid: type: Invalid value: "other": field is immutable'
    await kubectl("expose", "deploy", "web", "--port=80")
    said = await kubectl.fails(
        "patch", "svc", "web", "-p", '{"spec":{"clusterIP":"10.96.0.77","clusterIPs":["10.96.0.77"]}}'
    )
    assert "may not change once set" in said


async def test_what_is_too_large(kubectl: Kubectl) -> None:
    def configmap(size: int) -> str:
        return HEAD + f"data: {{a: {'x' * size}}}\n"

    said = await kubectl.fails("create", "-f", "-", stdin=configmap(1_100_000))
    assert said == 'The ConfigMap "x" is invalid: []: Too long: may not be more than 1048576 bytes'
    said = await kubectl.fails("create", "-f", "-", stdin=configmap(3_500_000))
    assert said == (
        'Error from server (RequestEntityTooLarge): error when creating "STDIN": '
        "Request entity too large: limit is 3145728"
    )
    text = WEB.replace("labels: {app: web}", "annotations: {a: " + "x" * 300_000 + "}", 1)
    said = await kubectl.fails("create", "-f", "-", stdin=text)
    assert said == (
        'The Deployment "web" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes'
    )


async def test_what_a_quota_and_limits_refuse(kubectl: Kubectl) -> None:
    await kubectl("create", "quota", "q", "--hard=configmaps=2,cpu=1")
    await kubectl("wait", "quota/q", "--for=jsonpath={.status.used.configmaps}=1", "--timeout=20s")
    await kubectl("create", "configmap", "one")
    said = await kubectl.fails("create", "configmap", "two")
    assert said == (
        'error: failed to create configmap: configmaps "two" is forbidden: exceeded quota: q, requested: configmaps=1, '
        "used: configmaps=2, limited: configmaps=2"
    )
    said = await kubectl.fails("run", "p", "--image=busybox")
    assert said == 'Error from server (Forbidden): pods "p" is forbidden: failed quota: q: must specify cpu for: p'
    limits = (
        "apiVersion: v1\nkind: LimitRange\nmetadata: {name: l}\n"
        "spec: {limits: [{type: Container, default: {cpu: 500m}, defaultRequest: {cpu: 100m}, max: {cpu: '1'}}]}\n"
    )
    await kubectl("apply", "-f", "-", stdin=limits)
    await kubectl("run", "p", "--image=busybox")
    pod: Any = await kubectl.json("get", "pod", "p")
    assert pod["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "500m"}, "requests": {"cpu": "100m"}}
    greedy = '{"spec":{"containers":[{"name":"g","image":"x","resources":{"limits":{"cpu":"2"}}}]}}'
    said = await kubectl.fails("run", "g", "--image=x", f"--overrides={greedy}")
    assert "maximum cpu usage per Container is 1, but limit is 2" in said
    await kubectl("wait", "quota/q", "--for=jsonpath={.status.used.cpu}=100m", "--timeout=20s")
