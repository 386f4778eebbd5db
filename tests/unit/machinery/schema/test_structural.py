"""Custom resources: pruning, defaults, validation."""

from __future__ import annotations

from typing import Any

import pytest

from machinery.schema import structural
from machinery.schema.validate import validate

PROPERTIES: dict[str, Any] = {
    "a": {"type": "string", "pattern": "^x", "maxLength": 3, "minLength": 1},
    "n": {"type": "integer", "default": 3, "maximum": 5, "minimum": 1},
    "m": {"type": "object", "additionalProperties": {"type": "string"}},
    "l": {"type": "array", "maxItems": 2,
          "items": {"type": "object", "properties": {"q": {"type": "integer", "default": 1}}}},
    "s": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    "k": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
          "items": {"type": "object", "properties": {"id": {"type": "string"}, "v": {"type": "integer"}}}},
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "e": {"type": "string", "enum": ["a", "b"]},
    "p": {"x-kubernetes-int-or-string": True},
    "null": {"type": "string", "nullable": True},
    "when": {"type": "string", "format": "date-time"},
    "one": {"type": "object", "properties": {"x": {"type": "string"}, "y": {"type": "string"}},
            "oneOf": [{"required": ["x"]}, {"required": ["y"]}]},
}  # fmt: skip
SCHEMA = structural.compile(
    {"type": "object", "properties": {"spec": {"type": "object", "required": ["a"], "properties": PROPERTIES}}}
)


def _object(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "g/v1", "kind": "X", "metadata": {"name": "o"}, "spec": spec}


def test_prunes_what_the_schema_does_not_name() -> None:
    o = _object(a="x", zz=1, l=[{"w": 1}], free={"q": {"r": 1}}, m={"k": "v"})
    o["top"] = 1
    assert structural.prune(SCHEMA, o) == ["spec.zz", "spec.l[0].w", "top"]
    assert o == _object(a="x", l=[{}], free={"q": {"r": 1}}, m={"k": "v"})


def test_without_a_schema_everything_stays() -> None:
    o = _object(a={"b": [1]})
    assert structural.prune(structural.compile(None), o) == []
    assert o == _object(a={"b": [1]})


def test_defaults_fill_what_is_absent_or_null() -> None:
    o = _object(n=None, l=[{}, {"q": 7}])
    structural.set_defaults(SCHEMA, o)
    assert o["spec"] == {"n": 3, "l": [{"q": 1}, {"q": 7}]}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "spec.a: Required value"),
        ({"a": "y"}, "spec.a: Invalid value: \"y\": spec.a in body should match '^x'"),
        ({"a": "xxxx"}, "spec.a: Too long: may not be more than 3 bytes"),
        ({"a": 1}, 'spec.a: Invalid value: "integer": spec.a in body must be of type string: "integer"'),
        ({"a": None}, 'spec.a: Invalid value: "null": spec.a in body must be of type string: "null"'),
        ({"n": 9}, "spec.n: Invalid value: 9: spec.n in body should be less than or equal to 5"),
        ({"n": 0}, "spec.n: Invalid value: 0: spec.n in body should be greater than or equal to 1"),
        ({"n": 1.5}, 'spec.n: Invalid value: "number": spec.n in body must be of type integer: "number"'),
        ({"e": "c"}, 'spec.e: Unsupported value: "c": supported values: "a", "b"'),
        ({"l": [{}, {}, {}]}, "spec.l: Too many: 3: must have at most 2 items"),
        ({"s": ["a", "a"]}, 'spec.s[1]: Duplicate value: "a"'),
        ({"k": [{"id": "a"}, {"id": "a", "v": 1}]}, 'spec.k[1]: Duplicate value: {"id":"a"}'),
        ({"p": True}, 'spec.p: Invalid value: "boolean": spec.p in body must be of type integer,string: "boolean"'),
        ({"m": {"k": 1}}, 'spec.m.k: Invalid value: "integer": spec.m.k in body must be of type string: "integer"'),
        ({"when": "x"}, 'spec.when: Invalid value: "x": spec.when in body must be of type date-time: "x"'),
        ({"one": {}},
         'spec.one: Invalid value: {}: "spec.one" must validate one and only one schema (oneOf). Found none valid'),
    ],
)  # fmt: skip
def test_says_what_is_wrong(spec: dict[str, Any], message: str) -> None:
    spec = spec if "a" in spec or not spec else {"a": "x", **spec}
    assert [str(error) for error in validate(SCHEMA, _object(**spec))] == [message]


def test_good_objects_pass() -> None:
    good = _object(a="x1", n=5, m={"k": "v"}, l=[{"q": 1}], s=["a", "b"], free={"x": [1]}, e="a", p="50%", null=None)
    good["spec"] |= {"when": "2024-01-01T00:00:00Z", "one": {"x": "1"}, "k": [{"id": "a"}, {"id": "b"}]}
    assert validate(SCHEMA, good) == []
