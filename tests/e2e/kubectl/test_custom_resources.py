"""Custom resources: a definition with a schema, defaults, columns, status and scale, and its objects."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.kubectl.conftest import Cluster
from tests.support.kubectl import Kubectl

OBJECT = """
apiVersion: {group}/v1
kind: CronTab
metadata: {{name: my}}
spec: {{cronSpec: "* * * * */5"}}
"""
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: crontabs.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {{status: {{}}, scale: {{specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}}}
    additionalPrinterColumns:
    - {{name: Spec, type: string, jsonPath: .spec.cronSpec}}
    - {{name: Replicas, type: integer, jsonPath: .spec.replicas}}
    - {{name: Image, type: string, priority: 1, jsonPath: .spec.image}}
    - {{name: Age, type: date, jsonPath: .metadata.creationTimestamp}}
    schema:
      openAPIV3Schema:
        type: object
        description: A table of times.
        required: [spec]
        properties:
          spec:
            type: object
            description: What is wanted.
            required: [cronSpec]
            properties:
              cronSpec: {{type: string, pattern: '^[0-9*/ ]+$', description: When it is time.}}
              image: {{type: string, default: "img:1"}}
              replicas: {{type: integer, minimum: 1, maximum: 20, default: 1}}
          status: {{type: object, properties: {{replicas: {{type: integer}}}}}}
"""


@pytest_asyncio.fixture
async def group(cluster: Cluster, kubectl: Kubectl) -> AsyncIterator[str]:
    """The API group of a definition that is established."""
    group = f"{cluster.namespace}.example.com"
    out = await kubectl("apply", "-f", "-", stdin=DEFINITION.format(group=group))
    assert out == f"customresourcedefinition.apiextensions.k8s.io/crontabs.{group} created\n"
    await kubectl("wait", "--for=condition=Established", f"crd/crontabs.{group}", "--timeout=20s")
    yield group
    await kubectl("delete", "crd", f"crontabs.{group}", "--ignore-not-found")


async def test_objects_have_defaults_columns_and_scale(kubectl: Kubectl, group: str) -> None:
    assert await kubectl("apply", "-f", "-", stdin=OBJECT.format(group=group)) == f"crontab.{group}/my created\n"
    name = f"crontabs.{group}"
    header, row = (await kubectl("get", name)).splitlines()
    assert header.split() == ["NAME", "SPEC", "REPLICAS", "AGE"]
    assert row.startswith("my     * * * * */5   1 ")
    assert "IMAGE" in await kubectl("get", name, "-o", "wide")
    assert await kubectl("get", name, "my", "-o", "jsonpath={.spec.image}") == "img:1"
    assert f"crontab.{group}/my" in await kubectl("get", "all", "-o", "name")
    assert await kubectl("scale", name, "my", "--replicas=3") == f"crontab.{group}/my scaled\n"
    assert await kubectl("get", name, "my", "-o", "jsonpath={.spec.replicas}") == "3"
    status = '{"status":{"replicas":2},"spec":{"replicas":9}}'
    await kubectl("patch", name, "my", "--subresource=status", "--type=merge", "-p", status)
    assert await kubectl("get", name, "my", "-o", "jsonpath={.status.replicas}{.spec.replicas}") == "23"
    assert "Cron Spec:  * * * * */5" in await kubectl("describe", name, "my")
    await kubectl("label", name, "my", "a=b")
    assert await kubectl("get", name, "-l", "a=b", "-o", "name") == f"crontab.{group}/my\n"
    async with kubectl.streaming("get", name, "-w", "--output-watch-events", "--no-headers") as line:
        assert (await line()).split()[:2] == ["ADDED", "my"]
        await kubectl("delete", name, "my")
        assert (await line()).split()[:2] == ["DELETED", "my"]


async def test_discovery_and_explain(kubectl: Kubectl, group: str) -> None:
    listed = await kubectl("api-resources", f"--api-group={group}", "--no-headers")
    assert listed.split() == ["crontabs", "ct", f"{group}/v1", "true", "CronTab"]
    text = await kubectl("explain", f"crontabs.{group}")
    assert f"GROUP:      {group}\nKIND:       CronTab\nVERSION:    v1" in text and "A table of times." in text
    text = await kubectl("explain", f"crontabs.{group}", "--recursive")
    assert "cronSpec\t<string> -required-" in text
    text = await kubectl("explain", "ct.spec", f"--api-version={group}/v1")
    assert "What is wanted." in text and "When it is time." in text


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            '{cronSpec: "x", replicas: 50}',
            (
                'The CronTab "my" is invalid: \n'
                "* spec.cronSpec: Invalid value: \"x\": spec.cronSpec in body should match '^[0-9*/ ]+$'\n"
                "* spec.replicas: Invalid value: 50: spec.replicas in body should be less than or equal to 20"
            ),
        ),
        ("{replicas: 2}", 'The CronTab "my" is invalid: spec.cronSpec: Required value'),
        (
            '{cronSpec: "*", replicas: two}',
            (
                'The CronTab "my" is invalid: spec.replicas: Invalid value: "string": spec.replicas in body must be '
                "of type "
                'integer: "string"'
            ),
        ),
        (
            '{cronSpec: "*", foo: 1}',
            (
                'Error from server (BadRequest): error when creating "STDIN": CronTab in version "v1" cannot be '
                "handled as a "
                'CronTab: strict decoding error: unknown field "spec.foo"'
            ),
        ),
    ],
    ids=["bounds", "required", "type", "unknown"],
)
async def test_objects_that_break_the_schema(kubectl: Kubectl, group: str, spec: str, said: str) -> None:
    text = OBJECT.format(group=group).replace('{cronSpec: "* * * * */5"}', spec)
    assert await kubectl.fails("create", "-f", "-", stdin=text) == said


async def test_patches_of_custom_resources(kubectl: Kubectl, group: str) -> None:
    name = f"crontabs.{group}"
    await kubectl("apply", "-f", "-", stdin=OBJECT.format(group=group))
    await kubectl("patch", name, "my", "--type=merge", "-p", '{"spec":{"replicas":4}}')
    assert await kubectl("get", name, "my", "-o", "jsonpath={.spec.replicas}") == "4"
    assert "strategic-merge-patch+json is not supported" in await kubectl.fails("patch", name, "my", "-p", "{}")
    text = OBJECT.format(group=group).replace("*/5", "*/6")
    assert await kubectl("apply", "-f", "-", stdin=text) == f"crontab.{group}/my configured\n"
    assert await kubectl("get", name, "my", "-o", "jsonpath={.spec.replicas}") == "4"


async def test_a_definition_takes_its_objects_with_it(kubectl: Kubectl, group: str) -> None:
    await kubectl("apply", "-f", "-", stdin=OBJECT.format(group=group))
    await kubectl("delete", "crd", f"crontabs.{group}")
    said = await kubectl.fails("get", f"crontabs.{group}")
    assert "the server could not find the requested resource" in said or "doesn't have a resource type" in said
    await kubectl("apply", "-f", "-", stdin=DEFINITION.format(group=group))
    await kubectl("wait", "--for=condition=Established", f"crd/crontabs.{group}", "--timeout=20s")
    assert await kubectl("get", f"crontabs.{group}", "-A", "-o", "name") == ""


async def test_definitions_that_make_no_sense(kubectl: Kubectl) -> None:
    text = DEFINITION.format(group="bad.example.com")
    said = await kubectl.fails("create", "-f", "-", stdin=text.replace("name: crontabs.bad", "name: other.bad"))
    assert 'metadata.name: Invalid value: "other.bad.example.com": must be spec.names.plural+"."+spec.group' in said
    said = await kubectl.fails("create", "-f", "-", stdin=text.replace("        type: object\n", "", 1))
    assert "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root" in said


async def test_rules_that_are_not_evaluated_are_warned_of(cluster: Cluster, kubectl: Kubectl) -> None:
    rule = '            x-kubernetes-validations: [{rule: "self.replicas <= 10"}]\n            required: [cronSpec]\n'
    text = DEFINITION.format(group=f"{cluster.namespace}.example.com").replace(
        "            required: [cronSpec]\n", rule
    )
    result = await kubectl.run("create", "--dry-run=server", "-f", "-", stdin=text)
    assert result.code == 0
    assert result.err == (
        "Warning: spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations: "
        "CEL rules are not evaluated by this server\n"
    )
