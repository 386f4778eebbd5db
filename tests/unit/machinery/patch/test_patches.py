"""JSON patch, merge patch, strategic merge patch: tables of document, patch, result."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinery.objects import meta
from machinery.objects.gvk import GVK
from machinery.patch import json_patch, merge, strategic
from machinery.patch.errors import PatchFailed, PatchMalformed
from machinery.schema.definitions import builtin

DOCUMENT: dict[str, Any] = {"a": [1, 2], "b": {"c": 1}, "x/y": 1, "m~n": 2, "nil": None}


@pytest.mark.parametrize(
    ("operation", "changes"),
    [
        ({"op": "add", "path": "/d", "value": {"e": 1}}, {"d": {"e": 1}}),
        ({"op": "add", "path": "/a/-", "value": 3}, {"a": [1, 2, 3]}),
        ({"op": "add", "path": "/a/0", "value": 0}, {"a": [0, 1, 2]}),
        ({"op": "add", "path": "/a/2", "value": 3}, {"a": [1, 2, 3]}),
        ({"op": "remove", "path": "/a/0"}, {"a": [2]}),
        ({"op": "replace", "path": "/b/c", "value": 9}, {"b": {"c": 9}}),
        ({"op": "replace", "path": "/x~1y", "value": 9}, {"x/y": 9}),
        ({"op": "replace", "path": "/m~0n", "value": 9}, {"m~n": 9}),
        ({"op": "move", "from": "/a/0", "path": "/b/d"}, {"a": [2], "b": {"c": 1, "d": 1}}),
        ({"op": "copy", "from": "/b", "path": "/a/0"}, {"a": [{"c": 1}, 1, 2]}),
        ({"op": "test", "path": "/b", "value": {"c": 1}}, {}),
        ({"op": "test", "path": "/nothing", "value": None}, {}),
    ],
)
def test_json_patch(operation: dict[str, Any], changes: dict[str, Any]) -> None:
    before = meta.deep_copy(DOCUMENT)
    assert json_patch.apply(DOCUMENT, [operation]) == {**DOCUMENT, **changes}
    assert before == DOCUMENT


def test_json_patch_of_the_whole_document() -> None:
    assert json_patch.apply({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}]) == {"b": 2}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/nothing"}, {"op": "replace", "path": "/nothing", "value": 1},
        {"op": "add", "path": "/no/thing", "value": 1}, {"op": "remove", "path": "/a/2"},
        {"op": "add", "path": "/a/3", "value": 1}, {"op": "add", "path": "/a/x", "value": 1},
        {"op": "test", "path": "/b/c", "value": 2}, {"op": "test", "path": "/b/c", "value": True},
        {"op": "move", "from": "/b", "path": "/b/c"}, {"op": "replace", "path": "/a/01", "value": 1},
    ],
)  # fmt: skip
def test_json_patch_that_does_not_fit(operation: dict[str, Any]) -> None:
    with pytest.raises(PatchFailed):
        json_patch.apply(DOCUMENT, [{"op": "add", "path": "/z", "value": 1}, operation])


@pytest.mark.parametrize(
    "patch",
    [
        {},
        ["x"],
        [{"op": "frob", "path": "/a"}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": "/a"}],
    ],
)
def test_json_patch_that_is_none(patch: Any) -> None:
    with pytest.raises(PatchMalformed):
        json_patch.apply(DOCUMENT, patch)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}), ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}), ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}), ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}), (["a", "b"], ["c", "d"], ["c", "d"]), ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None), ({"a": "foo"}, "bar", "bar"), ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}), ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)  # fmt: skip
def test_merge_patch_as_in_the_rfc(target: Any, patch: Any, result: Any) -> None:
    assert merge.apply(target, patch) == result


_values = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda each: st.lists(each, max_size=2) | st.dictionaries(st.text(max_size=2), each, max_size=3),
    max_leaves=8,
)
_objects = st.dictionaries(st.text(max_size=2), _values, max_size=4)


@given(_objects, _objects)
def test_merge_diff_leads_from_one_to_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert merge.apply(before, merge.diff(before, after)) == after


def _pod(*containers: Any, **more: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **more}}


A, B, C = ({"name": name, "image": "1"} for name in "abc")


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        (_pod(A, B), _pod({"name": "b", "image": "2"}), _pod(A, {"name": "b", "image": "2"})),
        (_pod(A), _pod(B), _pod(A, B)),
        (_pod(A, B), _pod({"name": "a", "$patch": "delete"}), _pod(B)),
        (_pod(A, B), _pod(C, {"$patch": "replace"}), _pod(C)),
        (
            _pod(A, B, C),
            {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}, {"name": "b"}]}},
            _pod(C, A, B),
        ),
        (
            _pod(A, B),
            {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [C]}},
            _pod(C, A, B),
        ),
        (_pod(A), {"spec": {"containers": None}}, {"spec": {}}),
        (_pod(A), {"spec": {"$patch": "replace", "nodeName": "n"}}, {"spec": {"nodeName": "n"}}),
        (_pod(A), {"spec": {"$patch": "delete"}}, {"spec": {}}),
        (
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"finalizers": ["c", "a"], "$deleteFromPrimitiveList/finalizers": ["b"]}},
            {"metadata": {"finalizers": ["a", "c"]}},
        ),
        (
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
            {"metadata": {"finalizers": ["b"]}},
        ),
        (
            _pod(A, tolerations=[{"key": "x"}]),
            {"spec": {"tolerations": [{"key": "y"}]}},
            _pod(A, tolerations=[{"key": "y"}]),
        ),
        (
            _pod(volumes=[{"name": "v", "emptyDir": {}}]),
            {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}]}},
            _pod(volumes=[{"name": "v", "secret": {"secretName": "s"}}]),
        ),
        ({"metadata": {"labels": {"a": "1", "b": "2"}}}, {"metadata": {"labels": {"a": None, "c": "3"}}},
         {"metadata": {"labels": {"b": "2", "c": "3"}}}),
        ({}, {"metadata": {"labels": {"a": None, "c": "3"}}}, {"metadata": {"labels": {"c": "3"}}}),
    ],
)  # fmt: skip
def test_strategic_merge(target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    schema = builtin().of_kind(GVK("", "v1", "Pod"))
    assert schema is not None
    before = meta.deep_copy(target)
    assert strategic.apply(target, patch, schema) == result
    assert target == before


def test_strategic_merge_says_what_is_wrong() -> None:
    schema = builtin().of_kind(GVK("", "v1", "Pod"))
    assert schema is not None
    with pytest.raises(PatchFailed, match=r"map: map\[image:x\] does not contain declared merge key: name"):
        strategic.apply(_pod(A), _pod({"image": "x"}), schema)
    with pytest.raises(PatchMalformed, match="unknown patch type: frob"):
        strategic.apply(_pod(A), {"spec": {"$patch": "frob"}}, schema)
    with pytest.raises(PatchMalformed, match="cannot unmarshal array"):
        strategic.apply(_pod(A), [], schema)
