from __future__ import annotations

from typing import Any

import pytest

from apiserver.crds.strategy import CustomStrategy
from apiserver.resources.registry import RESOURCES
from apiserver.resources.spec import ResourceSpec
from apiserver.verbs.scale import scale_of, scaled, value_at
from machinery.errors import Conflict, Invalid
from machinery.objects.gvk import GVR
from machinery.schema.structural import compile as compile_schema

DEPLOYMENTS = RESOURCES[GVR("apps", "v1", "deployments")]
CONTROLLERS = RESOURCES[GVR("", "v1", "replicationcontrollers")]


def owner(selector: Any, replicas: int = 3) -> dict[str, Any]:
    metadata = {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "5", "labels": {"x": "y"}}
    return {"metadata": metadata, "spec": {"replicas": replicas, "selector": selector}, "status": {"replicas": 2}}


@pytest.mark.parametrize(
    ("spec", "selector", "text"),
    [
        (DEPLOYMENTS, {"matchLabels": {"a": "b", "c": "d"}}, "a=b,c=d"),
        (DEPLOYMENTS, {"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]}, "a in (x,y)"),
        (CONTROLLERS, {"a": "b"}, "a=b"),
    ],
)
def test_the_scale_of_built_in_kinds(spec: ResourceSpec, selector: Any, text: str) -> None:
    scale = scale_of(spec, owner(selector))
    assert scale["metadata"] == {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "5"}
    assert (scale["spec"], scale["status"]) == ({"replicas": 3}, {"replicas": 2, "selector": text})


def test_a_custom_resource_says_where_its_numbers_are() -> None:
    strategy = CustomStrategy(compile_schema(None), status=True, scale=("spec.size.want", "status.have", ""))
    spec = ResourceSpec(GVR("g", "v1", "things"), "Thing", "thing", namespaced=True, strategy=strategy)
    obj = {"metadata": {"name": "a", "resourceVersion": "5"}, "spec": {"size": {"want": 4}}, "status": {"have": 1}}
    assert scale_of(spec, obj)["spec"] == {"replicas": 4}
    assert scale_of(spec, obj)["status"] == {"replicas": 1}
    changed = scaled(spec, obj, {"spec": {"replicas": 9}})
    assert value_at(changed, "spec.size.want") == 9 and value_at(obj, "spec.size.want") == 4


def test_a_scale_is_conditional_on_what_it_names() -> None:
    assert scaled(DEPLOYMENTS, owner({}), {"metadata": {"resourceVersion": "4"}})["metadata"]["resourceVersion"] == "4"
    with pytest.raises(Conflict, match="UID in precondition: other, UID in object meta: u"):
        scaled(DEPLOYMENTS, owner({}), {"metadata": {"uid": "other"}})
    with pytest.raises(Invalid, match="must be greater than or equal to 0"):
        scaled(DEPLOYMENTS, owner({}), {"spec": {"replicas": -1}})
