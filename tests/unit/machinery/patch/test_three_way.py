"""Client-side apply: the patch, and that applying it gives what was asked and keeps what others set."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.objects.gvk import GVK
from machinery.patch import merge, strategic, three_way
from machinery.schema import definitions

POD = definitions.builtin().of_kind(GVK("", "v1", "Pod"))


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {**spec, "containers": list(containers)}}


@pytest.mark.parametrize(
    ("original", "modified", "current", "patch"),
    [
        pytest.param({}, {"a": 1}, {"a": 1}, {}, id="nothing"),
        pytest.param({}, {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"b": "2"}}},
                     {"metadata": {"labels": {"a": "1"}}}, id="adds beside what others set"),
        pytest.param({"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {}}},
                     {"metadata": {"labels": {"a": "1", "b": "2"}}}, {"metadata": {"labels": {"a": None}}},
                     id="removes what it had set"),
        pytest.param({"metadata": {"labels": {"a": "1"}}}, {"metadata": {}}, {"metadata": {}}, {},
                     id="does not remove what is gone"),
        pytest.param(
            pod({"name": "a", "image": "x"}),
            pod({"name": "a", "image": "y"}),
            pod({"name": "a", "image": "x", "imagePullPolicy": "Always"}, {"name": "sidecar", "image": "s"}),
            {"spec": {"containers": [{"name": "a", "image": "y"}], "$setElementOrder/containers": [{"name": "a"}]}},
            id="changes one container",
        ),
        pytest.param(
            pod({"name": "a", "image": "x"}, {"name": "b", "image": "x"}),
            pod({"name": "b", "image": "x"}),
            pod({"name": "a", "image": "x"}, {"name": "b", "image": "x"}),
            {
                "spec": {
                    "containers": [{"$patch": "delete", "name": "a"}],
                    "$setElementOrder/containers": [{"name": "b"}],
                }
            },
            id="removes one container",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a/x", "a/y"]}},
            {"metadata": {"finalizers": ["a/y", "a/z"]}},
            {"metadata": {"finalizers": ["a/x", "a/y", "other/k"]}},
            {
                "metadata": {
                    "finalizers": ["a/z"],
                    "$deleteFromPrimitiveList/finalizers": ["a/x"],
                    "$setElementOrder/finalizers": ["a/y", "a/z"],
                }
            },
            id="primitive list",
        ),
    ],
)  # fmt: skip
def test_patch(original: Any, modified: Any, current: Any, patch: Any) -> None:
    assert POD is not None
    assert three_way.strategic(original, modified, current, POD) == patch


def test_applied_patch_gives_what_was_asked_and_keeps_the_rest() -> None:
    assert POD is not None
    original = pod({"name": "a", "image": "x"}, {"name": "b", "image": "x"}, hostNetwork=True)
    modified = pod({"name": "b", "image": "y"}, {"name": "c", "image": "z"})
    current = pod({"name": "a", "image": "x"}, {"name": "b", "image": "x", "tty": True}, {"name": "k", "image": "k"},
                  hostNetwork=True, nodeName="n1")  # fmt: skip
    after = strategic.apply(current, three_way.strategic(original, modified, current, POD), POD)
    assert after["spec"].pop("nodeName") == "n1"
    by_name = {container["name"]: container for container in after["spec"].pop("containers")}
    assert after["spec"] == {}
    assert by_name == {
        "b": {"name": "b", "image": "y", "tty": True},
        "c": {"name": "c", "image": "z"},
        "k": {"name": "k", "image": "k"},
    }


def test_without_a_schema_lists_are_replaced_whole() -> None:
    current = {"spec": {"items": [1, 2], "kept": True}}
    patch = three_way.merge({"spec": {"items": [1]}}, {"spec": {"items": [3]}}, current)
    assert merge.apply(current, patch) == {"spec": {"items": [3], "kept": True}}
