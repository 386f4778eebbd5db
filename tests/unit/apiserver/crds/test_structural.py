# ruff: noqa: E501, ISC004 - each line is one message, as upstream words it
from __future__ import annotations

from typing import Any

import pytest

from apiserver.crds.structural import problems

Raw = dict[str, Any]
INT_OR_STRING = "x-kubernetes-int-or-string"


def of(**spec: Raw) -> Raw:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}


GOOD: dict[str, Raw] = {
    "plain": of(a={"type": "string", "default": "x", "pattern": "^x$"}),
    "free-form": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "number or text": of(a={INT_OR_STRING: True, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
    "number or text, restricted": of(
        a={INT_OR_STRING: True, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"minimum": 1}]}
    ),
    "one of two": {
        **of(a={"type": "string"}, b={"type": "string"}),
        "oneOf": [{"properties": {"spec": {"required": ["a"]}}}, {"properties": {"spec": {"required": ["b"]}}}],
    },
    "names restricted": {
        "type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string"}}}}
    },
    "a keyed list": of(
        a={"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"],
           "items": {"type": "object", "required": ["n"], "properties": {"n": {"type": "string"}}}}
    ),
    "a template": of(
        a={"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", GOOD)
def test_structural_schemas(what: str) -> None:
    assert problems(GOOD[what], "s") == []


KEYED: Raw = {"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object", "properties": {"n": {}}}}
BAD: dict[str, tuple[Raw, list[str]]] = {
    "no type": ({"properties": {"a": {}}}, [
        "s.properties[a].type: Required value: must not be empty for specified object fields",
        "s.type: Required value: must not be empty at the root",
    ]),
    "a root that is none": ({"type": "string"}, ['s.type: Invalid value: "string": must be object at the root']),
    "no items": (of(a={"type": "array"}), ["s.properties[spec].properties[a].items: Required value: must be specified"]),
    "items without a type": (of(a={"type": "array", "items": {"nullable": False, "minimum": 1}}), [
        "s.properties[spec].properties[a].items.type: Required value: must not be empty for specified array items",
    ]),
    "a map at the root": ({"type": "object", "additionalProperties": {"type": "string"}}, [
        "s.additionalProperties: Forbidden: must not be used at the root",
    ]),
    "both": ({"type": "object", "properties": {"a": {
        "type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": {"type": "string"}}}}, [
        "s.properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
    ]),
    "a type in a restriction": (of(a={"type": "string", "anyOf": [{"type": "string"}]}), [
        "s.properties[spec].properties[a].anyOf[0].type: Forbidden: must be empty to be structural",
    ]),
    "a description in a restriction": (of(a={"type": "string", "not": {"description": "x", "enum": ["a"]}}), [
        "s.properties[spec].properties[a].not.description: Forbidden: must be empty to be structural",
    ]),
    "a field that only a restriction has": ({"type": "object", "allOf": [{"properties": {"x": {"minimum": 1}}}]}, [
        "s.properties[x]: Required value: because it is defined in s.allOf[0].properties[x]",
    ]),
    "a bad pattern": (of(a={"type": "string", "pattern": "("}), [
        's.properties[spec].properties[a].pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: '
        "error parsing regexp: missing ), unterminated subpattern at position 0",
    ]),
    "metadata": ({"type": "object", "properties": {"metadata": {"type": "object", "properties": {
        "labels": {"type": "object"}}}}}, [
        "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is "
        "implicitly specified",
    ]),
    "a default of another type": (of(a={"type": "integer", "default": "x"}), [
        's.properties[spec].properties[a].default: Invalid value: "string": s.properties[spec].properties[a].default in '
        'body must be of type integer: "string"',
    ]),
    "a default with unknown fields": (of(a={"type": "object", "properties": {}, "default": {"x": 1}}), [
        's.properties[spec].properties[a].default: Invalid value: {"x":1}: must not have unknown fields',
    ]),
    "a default of a name": ({"type": "object", "properties": {"metadata": {"type": "object", "properties": {
        "name": {"type": "string", "default": "x"}}}}}, [
        "s.properties[metadata].properties[name].default: Forbidden: must not be set in top-level metadata",
    ]),
    "a reference": (of(a={"type": "object", "$ref": "#/x"}), [
        "s.properties[spec].properties[a].$ref: Forbidden: $ref is not supported",
    ]),
    "unique items": (of(a={"type": "array", "uniqueItems": True, "items": {"type": "string"}}), [
        "s.properties[spec].properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime "
        "complexity becomes quadratic",
    ]),
    "an unknown type": (of(a={"type": "text"}), [
        's.properties[spec].properties[a].type: Unsupported value: "text": supported values: "array", "boolean", '
        '"integer", "number", "object", "string"',
    ]),
    "keys that may be absent": (of(a={**KEYED, "x-kubernetes-list-map-keys": ["n"], "items": {
        "type": "object", "properties": {"n": {"type": "string"}}}}), [
        "s.properties[spec].properties[a].items.properties[n].default: Required value: this property is in "
        "x-kubernetes-list-map-keys, so it must have a default or be a required property",
    ]),
    "a keyed list without keys": (of(a={**KEYED, "items": {"type": "object"}}), [
        "s.properties[spec].properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if "
        "x-kubernetes-list-type is map",
    ]),
    "a set of maps": (of(a={"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}}), [
        "s.properties[spec].properties[a].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a "
        "list with x-kubernetes-list-type=set",
    ]),
    "a list type on a text": (of(a={"type": "string", "x-kubernetes-list-type": "set"}), [
        's.properties[spec].properties[a].type: Invalid value: "string": must be array if x-kubernetes-list-type is '
        "specified",
    ]),
    "null at the root": ({"type": "object", "nullable": True}, ["s.nullable: Forbidden: nullable cannot be true at the root"]),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_schemas_that_are_not_structural(what: str) -> None:
    schema, said = BAD[what]
    assert [str(error) for error in problems(schema, "s")] == said


def test_restrictions_at_the_root_need_room_for_status() -> None:
    schema = {"type": "object", "oneOf": [{"required": ["a"]}]}
    assert problems(schema, "s") == []
    (error,) = problems(schema, "s", status=True)
    assert "fields are allowed at the root of the schema if the status subresource is enabled" in str(error)
