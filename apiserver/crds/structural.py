"""What the schema of a version of a CustomResourceDefinition must be: structural, in the OpenAPI that is understood.

A schema is structural when the shape of objects (types, fields, items) stands outside of `allOf`, `anyOf`, `oneOf` and
`not`, which only restrict values. Rules and texts: apiextensions-apiserver `pkg/apiserver/schema/validation.go`,
`defaulting/validation.go` and `pkg/apis/apiextensions/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from machinery.errors import FieldError
from machinery.objects.meta import deep_copy
from machinery.schema.definitions import builtin
from machinery.schema.model import Schema
from machinery.schema.patterns import PatternError
from machinery.schema.patterns import compile as compile_pattern
from machinery.schema.structural import prune
from machinery.schema.validate import validate

Raw = Mapping[str, Any]

PRESERVE, EMBEDDED, INT_OR_STRING = (
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
)
LIST_TYPE, MAP_KEYS, MAP_TYPE = "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"
RULES = "x-kubernetes-validations"

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_META = ("apiVersion", "kind", "metadata")
_EITHER = [{"type": "integer"}, {"type": "string"}]
_NO_TYPE = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_SHAPE = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "externalDocs": "must be undefined to be structural",
    PRESERVE: "must be false to be structural",
    EMBEDDED: "must be false to be structural",
    INT_OR_STRING: "must be false to be structural",
    MAP_KEYS: "must be empty to be structural",
    LIST_TYPE: "must be undefined to be structural",
    MAP_TYPE: "must be undefined to be structural",
    RULES: "must be empty to be structural",
}
"""What a schema that only restricts values must not have."""
_EVEN_FALSE = ("additionalProperties", "default")
_AT_ROOT_WITH_STATUS = (
    "description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required", "items", "properties",
    "externalDocs", "example",
)  # fmt: skip
_GO_AT_ROOT = [name[0].upper() + name[1:] for name in _AT_ROOT_WITH_STATUS] + ["XPreserveUnknownFields", "XValidations"]


def problems(schema: Raw, path: str, *, status: bool = False) -> list[FieldError]:
    """Everything that is wrong with a root schema that stands at `path`. status: with the status subresource."""
    found = list(_root(schema, path, status=status))
    shape = sorted([*_invariants(schema, path, "root"), *_completeness(schema, path)], key=str)
    found += shape or _defaults(schema, path)
    return found + list(_openapi(schema, path, root=True))


def _root(schema: Raw, path: str, *, status: bool) -> Iterator[FieldError]:
    if status:
        for key, value in schema.items():
            if value in (None, "", [], {}, False) or key in (*_AT_ROOT_WITH_STATUS, PRESERVE, RULES):
                continue
            allowed = f"only [{' '.join(_GO_AT_ROOT)}] fields are allowed at the root of the schema"
            yield FieldError.invalid(path, schema, f"{allowed} if the status subresource is enabled")
            break
        if schema.get("type") not in (None, "", "object"):
            said = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
            yield FieldError.invalid(f"{path}.type", schema["type"], said)
    if schema.get("nullable"):
        yield FieldError.forbidden(f"{path}.nullable", "nullable cannot be true at the root")


def _children(schema: Raw, path: str) -> Iterator[tuple[Raw, str, str]]:
    """(schema, path, level) of what stands in an object or a list."""
    if isinstance(schema.get("items"), Mapping):
        yield schema["items"], f"{path}.items", "item"
    for name, each in (schema.get("properties") or {}).items():
        yield each, f"{path}.properties[{name}]", "field"
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield schema["additionalProperties"], f"{path}.additionalProperties", "field"


def _junctors(schema: Raw, path: str) -> Iterator[tuple[Raw, str]]:
    """The schemas that further restrict the same value."""
    for key in ("anyOf", "allOf", "oneOf"):
        for index, each in enumerate(schema.get(key) or ()):
            yield each, f"{path}.{key}[{index}]"
    if isinstance(schema.get("not"), Mapping):
        yield schema["not"], f"{path}.not"


def _invariants(schema: Raw, path: str, level: str) -> Iterator[FieldError]:
    kind, properties = schema.get("type") or "", schema.get("properties") or {}
    if kind == "array" and not schema.get("items"):
        yield FieldError.required(f"{path}.items", "must be specified")
    if level == "root" and schema.get("additionalProperties") is not None:
        yield FieldError.forbidden(f"{path}.additionalProperties", "must not be used at the root")
    for each, where, inner in _children(schema, path):
        yield from _invariants(each, where, inner)
    if schema.get(INT_OR_STRING):
        for key in (PRESERVE, EMBEDDED):
            if schema.get(key):
                yield FieldError.invalid(f"{path}.{key}", True, f"must be false if {INT_OR_STRING} is true")
    skipped = _int_or_string_exception(schema, path)
    for each, where in _junctors(schema, path):
        if where not in skipped:
            yield from _restriction(each, where, skipped)
    if schema.get("pattern"):
        yield from _pattern(schema["pattern"], path)
    yield from _type(schema, path, kind, level)
    if level == "root" or schema.get(EMBEDDED):
        for name in ("kind", "apiVersion"):
            if name in properties and properties[name].get("type") != "string":
                where = f"{path}.properties[{name}].type"
                yield FieldError.invalid(where, properties[name].get("type") or "", "must be string")
        if "metadata" in properties:
            yield from _metadata(properties["metadata"], f"{path}.properties[metadata]", level)


def _type(schema: Raw, path: str, kind: str, level: str) -> Iterator[FieldError]:
    embedded = f"must be object if {EMBEDDED} is true"
    if schema.get(EMBEDDED):
        if not kind:
            yield FieldError.required(f"{path}.type", embedded)
        elif kind != "object":
            yield FieldError.invalid(f"{path}.type", kind, embedded)
        if schema.get("additionalProperties") is not None:
            yield FieldError.forbidden(f"{path}.additionalProperties", f"must not be used if {EMBEDDED} is set")
        if not schema.get(PRESERVE) and not schema.get("properties"):
            yield FieldError.required(
                f"{path}.properties", f"must not be empty if {EMBEDDED} is true without {PRESERVE}"
            )
    elif not kind and not schema.get(INT_OR_STRING) and not schema.get(PRESERVE):
        yield FieldError.required(f"{path}.type", _NO_TYPE[level])
    if level == "root" and kind not in ("", "object"):
        yield FieldError.invalid(f"{path}.type", kind, "must be object at the root")


def _metadata(schema: Raw, path: str, level: str) -> Iterator[FieldError]:
    if schema.get("type") != "object":
        yield FieldError.invalid(f"{path}.type", schema.get("type") or "", "must be object")
    if level != "root":
        return
    named = set(schema.get("properties") or {}) <= {"name", "generateName"}
    if not named or any(schema.get(key) for key in schema if key not in ("type", "properties", "default")):
        said = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield FieldError.forbidden(path, said)


def _int_or_string_exception(schema: Raw, path: str) -> frozenset[str]:
    """The one shape that names types in restrictions: a number or a text."""
    if schema.get("anyOf") == _EITHER:
        return frozenset((f"{path}.anyOf[0]", f"{path}.anyOf[1]"))
    first: Raw = next(iter(schema.get("allOf") or ()), {})
    if first.get("anyOf") == _EITHER:
        return frozenset((f"{path}.allOf[0].anyOf[0]", f"{path}.allOf[0].anyOf[1]"))
    return frozenset()


def _restriction(schema: Raw, path: str, skipped: frozenset[str] = frozenset()) -> Iterator[FieldError]:
    """What only restricts values must say nothing of their shape."""
    for each, where in _junctors(schema, path):
        if where not in skipped:
            yield from _restriction(each, where)
    for each, where, _ in _children(schema, path):
        if not where.endswith(".additionalProperties"):
            yield from _restriction(each, where)
    for key, why in _SHAPE.items():
        if schema.get(key) not in (None, "", False, [], {}) or (key in _EVEN_FALSE and schema.get(key) is not None):
            yield FieldError.forbidden(f"{path}.{key}", why)
    if "metadata" in (schema.get("properties") or {}):
        yield FieldError.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")
    if schema.get("pattern"):
        yield from _pattern(schema["pattern"], path)


def _pattern(pattern: str, path: str) -> Iterator[FieldError]:
    try:
        compile_pattern(pattern)
    except PatternError as error:
        said = f"must be a valid regular expression, but isn't: {error}"
        yield FieldError.invalid(f"{path}.pattern", pattern, said)


def _completeness(schema: Raw, path: str) -> Iterator[FieldError]:
    """Fields that restrictions speak of stand in the shape too."""
    for each, where in _junctors(schema, path):
        yield from _covered(each, schema, where, path)
    for each, where, _ in _children(schema, path):
        yield from _completeness(each, where)


def _covered(restriction: Raw, schema: Raw | None, path: str, at: str) -> Iterator[FieldError]:
    if schema is None:
        yield FieldError.required(at, f"because it is defined in {path}")
        return
    for each, where in _junctors(restriction, path):
        yield from _covered(each, schema, where, at)
    if isinstance(restriction.get("items"), Mapping):
        items = schema.get("items")
        items = items if isinstance(items, Mapping) else None
        yield from _covered(restriction["items"], items, f"{path}.items", f"{at}.items")
    known = schema.get("properties") or {}
    for name, each in (restriction.get("properties") or {}).items():
        place = f"properties[{name}]"
        yield from _covered(each, known.get(name), f"{path}.{place}", f"{at}.{place}")


def _defaults(schema: Raw, path: str, *, within_meta: bool = False, root: bool = True) -> Iterator[FieldError]:
    """Defaults are objects of their schema, with no fields that it does not name."""
    if schema.get("default") is not None and not within_meta:
        compiled, default = Schema(schema, builtin().__getitem__), deep_copy(schema["default"])
        if prune(compiled, default) and not root:
            yield FieldError.invalid(f"{path}.default", schema["default"], "must not have unknown fields")
        yield from validate(compiled, schema["default"], f"{path}.default")
    meta = root or bool(schema.get(EMBEDDED))
    if isinstance(schema.get("items"), Mapping):
        yield from _defaults(schema["items"], f"{path}.items", within_meta=within_meta, root=False)
    for name, each in (schema.get("properties") or {}).items():
        inside = within_meta or (meta and name in _META)
        yield from _defaults(each, f"{path}.properties[{name}]", within_meta=inside, root=False)


def _openapi(
    schema: Raw, path: str, *, root: bool = False, no_default: str | None = None, within_meta: bool = False
) -> Iterator[FieldError]:
    """What of OpenAPI is understood, and how Kubernetes' own words go together."""
    kind = schema.get("type") or ""
    if kind == "null":
        yield FieldError.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if kind and kind not in _TYPES:
        yield FieldError.not_supported(f"{path}.type", kind, _TYPES)
    if schema.get("default") is not None and no_default is not None:
        yield FieldError.forbidden(f"{path}.default", f"must not be set {no_default}")
    for key in _UNSUPPORTED:
        if schema.get(key):
            yield FieldError.forbidden(f"{path}.{key}", f"{key} is not supported")
    if isinstance(schema.get("items"), list):
        yield FieldError.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if within_meta and schema.get(EMBEDDED):
        yield FieldError.forbidden(f"{path}.{EMBEDDED}", "must not be used inside of resource meta")
    if schema.get("uniqueItems"):
        said = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield FieldError.forbidden(f"{path}.uniqueItems", said)
    extra = schema.get("additionalProperties")
    if schema.get("properties") and extra is not None and extra is not True:
        said = "additionalProperties and properties are mutual exclusive"
        yield FieldError.forbidden(f"{path}.additionalProperties", said)
    if schema.get(PRESERVE) is False:
        yield FieldError.invalid(f"{path}.{PRESERVE}", False, "must be true or undefined")
    yield from _list_and_map(schema, path, kind)
    for index, rule in enumerate(schema.get(RULES) or ()):
        if not (rule.get("rule") or "").strip():
            yield FieldError.required(f"{path}.{RULES}[{index}].rule", "rule is not specified")
    for each, where in _junctors(schema, path):
        yield from _openapi(each, where, no_default=no_default, within_meta=within_meta)
    for each, where, _ in _children(schema, path):
        name = where.rpartition("[")[2].removesuffix("]")
        meta = (root or bool(schema.get(EMBEDDED))) and where.endswith("]") and name in _META
        reason = no_default
        if root and meta:
            reason = f"in top-level {name}"
        elif within_meta and where.endswith(".additionalProperties"):
            reason = "inside additionalProperties applying to object metadata"
        yield from _openapi(each, where, no_default=reason, within_meta=within_meta or meta)


def _list_and_map(schema: Raw, path: str, kind: str) -> Iterator[FieldError]:
    for key, wanted, supported in (
        (MAP_TYPE, "object", ("atomic", "granular")),
        (LIST_TYPE, "array", ("atomic", "set", "map")),
    ):
        if schema.get(key) is None:
            continue
        said = f"must be {wanted} if {key} is specified"
        if not kind:
            yield FieldError.required(f"{path}.type", said)
        elif kind != wanted:
            yield FieldError.invalid(f"{path}.type", kind, said)
        if schema[key] not in supported:
            yield FieldError.not_supported(f"{path}.{key}", schema[key], supported)
    list_type, keys = schema.get(LIST_TYPE), schema.get(MAP_KEYS) or ()
    items = schema.get("items") if isinstance(schema.get("items"), Mapping) else None
    if list_type == "set" and kind == "array" and items is not None:
        said = f"must be atomic as item of a list with {LIST_TYPE}=set"
        if items.get("type") == "array" and items.get(LIST_TYPE) not in (None, "atomic"):
            yield FieldError.invalid(f"{path}.items.{LIST_TYPE}", items[LIST_TYPE], said)
        if items.get("type") == "object" and items.get(MAP_TYPE) != "atomic":
            yield FieldError.invalid(f"{path}.items.{MAP_TYPE}", items.get(MAP_TYPE), said)
    if keys and list_type != "map":
        said = f"must be map if {MAP_KEYS} is non-empty"
        where = f"{path}.{LIST_TYPE}"
        yield FieldError.required(where, said) if list_type is None else FieldError.invalid(where, list_type, said)
    if list_type == "map":
        yield from _keyed(items, path, list(keys))
    if list_type in ("set", "map") and items is not None and items.get("nullable"):
        yield FieldError.forbidden(f"{path}.items.nullable", f"cannot be nullable when {LIST_TYPE} is {list_type}")


def _keyed(items: Raw | None, path: str, keys: list[str]) -> Iterator[FieldError]:
    """A list whose items are told apart by some of their fields."""
    if not keys:
        yield FieldError.required(f"{path}.{MAP_KEYS}", f"must not be empty if {LIST_TYPE} is map")
    if items is None:
        yield FieldError.required(f"{path}.items", f"must have a schema if {LIST_TYPE} is map")
        return
    if items.get("type") != "object":
        said = f"must be object if parent array's {LIST_TYPE} is map"
        yield FieldError.invalid(f"{path}.items.type", items.get("type") or "", said)
        return
    if len(set(keys)) < len(keys):
        yield FieldError.invalid(f"{path}.{MAP_KEYS}", keys, "must not contain duplicate entries")
    required = items.get("required") or ()
    for key in dict.fromkeys(keys):
        field, where = (items.get("properties") or {}).get(key), f"{path}.items.properties[{key}]"
        if field is None:
            yield FieldError.invalid(f"{path}.{MAP_KEYS}", keys, "entries must all be names of item properties")
            continue
        if field.get("type") in ("array", "object"):
            said = f"must be a scalar type if parent array's {LIST_TYPE} is map"
            yield FieldError.invalid(f"{where}.type", field["type"], said)
        if key not in required and field.get("default") is None:
            said = f"this property is in {MAP_KEYS}, so it must have a default or be a required property"
            yield FieldError.required(f"{where}.default", said)
        if field.get("nullable"):
            yield FieldError.forbidden(f"{where}.nullable", f"this property is in {MAP_KEYS}, so it cannot be nullable")
