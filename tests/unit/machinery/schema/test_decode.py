"""Decoding built-in kinds: wrong types, unknown fields, what a typed decoder would not keep."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.objects import meta
from machinery.objects.gvk import GVK
from machinery.schema.decode import DecodeError, decode
from machinery.schema.definitions import UnknownDefinition, builtin

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "x", "labels": {"a": "b"}},
    "spec": {
        "replicas": 3, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    },
}  # fmt: skip


def _changed(path: str, value: Any) -> dict[str, Any]:
    o = meta.deep_copy(DEPLOYMENT)
    holder: Any = o
    *steps, last = path.split("/")
    for step in steps:
        holder = holder[int(step)] if isinstance(holder, list) else holder[step]
    holder[last] = value
    return o


def _schema(group: str, version: str, kind: str) -> Any:
    return builtin().of_kind(GVK(group, version, kind))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("spec/replicas", "3", "string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ("spec/replicas", 1.5, "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ("spec/replicas", 2**40,
         "number 1099511627776 into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ("spec/replicas", True, "bool into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ("spec/paused", "no", "string into Go struct field DeploymentSpec.spec.paused of type bool"),
        ("spec/template", "x", "string into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec"),
        ("spec/template/spec/containers", {},
         "object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container"),
        ("spec/template/spec/containers/0/image", 1,
         "number into Go struct field Container.spec.template.spec.containers.image of type string"),
        ("metadata/labels", {"a": True}, "bool into Go struct field ObjectMeta.metadata.labels of type string"),
        ("metadata/labels", [], "array into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
    ],
)  # fmt: skip
def test_wrong_types(path: str, value: Any, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(_schema("apps", "v1", "Deployment"), _changed(path, value))
    assert str(caught.value) == f"json: cannot unmarshal {message}"


def test_unknown_fields_are_named_and_removed() -> None:
    o = _changed("spec/template/spec/containers/0/foo", 1)
    o["spec"]["bar"] = {"deep": 1}
    assert decode(_schema("apps", "v1", "Deployment"), o) == ["spec.template.spec.containers[0].foo", "spec.bar"]
    assert o == DEPLOYMENT
    o["spec"]["bar"] = 1
    assert decode(_schema("apps", "v1", "Deployment"), o, keep_unknown=True) == ["spec.bar"]
    assert o["spec"]["bar"] == 1


def test_nulls_and_empty_optionals_vanish() -> None:
    o = meta.deep_copy(DEPLOYMENT)
    o["metadata"] |= {"creationTimestamp": None, "annotations": {}, "finalizers": []}
    o["spec"]["strategy"] = None
    assert decode(_schema("apps", "v1", "Deployment"), o) == []
    assert o == DEPLOYMENT


def test_required_lists_stay_though_empty() -> None:
    o = _changed("spec/template/spec/containers", [])
    decode(_schema("apps", "v1", "Deployment"), o)
    assert o["spec"]["template"]["spec"] == {"containers": []}


def test_structs_stay_though_empty() -> None:
    o: dict[str, Any] = {"spec": {"volumes": [{"name": "v", "emptyDir": {}}], "containers": []}}
    decode(_schema("", "v1", "Pod"), o)
    assert o["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]


def test_quantities_and_times_become_canonical() -> None:
    o: dict[str, Any] = {
        "metadata": {"creationTimestamp": "2024-01-01T02:00:00+02:00"},
        "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1000m", "memory": 1024}}}]},
    }
    decode(_schema("", "v1", "Pod"), o)
    assert o["metadata"]["creationTimestamp"] == "2024-01-01T00:00:00Z"
    assert o["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "1024"}


def test_bad_quantities_and_times() -> None:
    pod = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "x"}}}]}}
    with pytest.raises(DecodeError, match="quantities must match the regular expression"):
        decode(_schema("", "v1", "Pod"), pod)
    with pytest.raises(DecodeError, match='parsing time "x"'):
        decode(_schema("", "v1", "Pod"), {"metadata": {"deletionTimestamp": "x"}})


def test_ports_take_numbers_and_names() -> None:
    for port in (80, "http"):
        o = {"spec": {"ports": [{"port": 80, "targetPort": port}]}}
        assert decode(_schema("", "v1", "Service"), o) == []
    with pytest.raises(DecodeError, match="cannot unmarshal bool"):
        decode(_schema("", "v1", "Service"), {"spec": {"ports": [{"port": 80, "targetPort": True}]}})


def test_every_served_definition_compiles_to_its_leaves() -> None:
    definitions = builtin()
    for name in definitions.raw:
        schema = definitions[name]
        for field in schema.field_names():
            assert schema.field(field) is not None
    with pytest.raises(UnknownDefinition):
        definitions["io.k8s.Nothing"]


def test_lookup_by_path() -> None:
    schema = _schema("apps", "v1", "Deployment")
    assert schema.at("spec.template.spec.containers.ports").map_keys == ("containerPort", "protocol")
    assert schema.at("spec.template.metadata.labels.any").type == "string"
    assert schema.at("spec.nothing") is None
    assert schema.at("") is schema


@pytest.mark.parametrize(
    ("text", "at"),
    [("YQ==", -1), ("", -1), ("YWJj", -1), ("YW\nJj", -1), ("!!", 0), ("YQ", 0), ("YWJjYQ", 4), ("YQ=", 3),
     ("YQ==x", 4), ("YQ=x", 2), ("Y===", 1), ("a b=", 1)],
)  # fmt: skip
def test_base64(text: str, at: int) -> None:
    secret = {"data": {"k": text}}
    schema = builtin()["io.k8s.api.core.v1.Secret"]
    if at < 0:
        decode(schema, secret)
        assert secret["data"]["k"] == text
        return
    with pytest.raises(DecodeError) as caught:
        decode(schema, secret)
    assert str(caught.value) == f"illegal base64 data at input byte {at}"
