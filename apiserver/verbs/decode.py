"""From the bytes of a request to an object of the right kind, or to upstream's words for why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from apiserver.verbs.context import RequestContext
from apiserver.verbs.parts import Parts
from machinery import json_text
from machinery.errors import BadRequest
from machinery.json_keys import duplicate_keys
from machinery.json_text import JsonTextError
from machinery.objects.gvk import GVK, split_api_version
from machinery.schema.decode import DecodeError, decode, kind_of
from machinery.schema.model import Schema
from machinery.schema.structural import prune

Object = dict[str, Any]

STRICT_YAML = "yaml: unmarshal errors:"
"""How an entry of `RequestContext.misread` begins that lists, line by line, what a reader of YAML found."""

_NO_KIND = "couldn't get version/kind; json parse error: "
_HEAD = 'struct { APIVersion string "json:"apiVersion,omitempty""; Kind string "json:"kind,omitempty"" }'


_SCHEME = "pkg/api/legacyscheme/scheme.go:30"
"""Where upstream keeps the kinds that it knows: clients' tests look for the sentence that names it."""


class Undecodable(BadRequest):
    """An object that cannot be read as its kind. why: what the decoder says of it, which is the end of the message."""

    def __init__(self, kind: GVK, why: str, *, found: str = "") -> None:
        """found: the kind that the object says it is, when that is another."""
        super().__init__(f'{found or kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}')
        self.why = why


def not_metadata(kind: GVK, value: Any) -> Undecodable:
    """The answer to an object whose metadata is no object."""
    what = f"Go struct field {kind.kind}.metadata of type v1.ObjectMeta"
    return Undecodable(kind, f"json: cannot unmarshal {kind_of(value)} into {what}")


def decode_body(parts: Parts, context: RequestContext, body: bytes) -> Object:
    """The object in a body, as the row's kind, normalised. Unknown fields warn or are refused, as asked."""
    return typed(parts, context, parse_body(parts, context, body))


def parse_body(parts: Parts, context: RequestContext, body: bytes) -> Object:
    """The object in a body, not looked at further than its kind and that it has metadata."""
    obj = parse_object(context, body, context.spec.gvk)
    expect_kind(parts, obj, context.spec.gvk)
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    if not isinstance(obj["metadata"], dict):
        raise not_metadata(context.spec.gvk, obj["metadata"])
    return obj


def typed(parts: Parts, context: RequestContext, obj: Object, *, stored: Object | None = None) -> Object:
    """`obj`, which the caller gives away, read by the row's schema.

    stored: what is there already, read before: the parts that are the same need not be read again, which is most of
    them in a write to status or to metadata."""
    expect_kind(parts, obj, context.spec.gvk)
    kept: Object = {}
    if stored is not None and context.spec.structural is None:
        # Compared as JSON: Python holds 1, 1.0 and True for equal.
        kept = {key: value for key, value in obj.items() if key in stored and _same(value, stored[key])}
    elif stored is None and context.spec.structural is None and isinstance(obj.get("spec"), dict):
        return _new(parts, context, obj)
    read = {key: value for key, value in obj.items() if key not in kept} if kept else obj
    normalise(context, read, context.spec.gvk, parts.schemas.of(context.spec))
    return {**read, **kept} if kept else read


def _new(parts: Parts, context: RequestContext, obj: Object) -> Object:
    """A new object of a built-in kind: one with a spec that was read lately, as those of one template have, is read but
    for that."""
    kind, schemas = context.spec.gvk, parts.schemas
    said = orjson.dumps(obj["spec"])
    known = schemas.recall(kind, said)
    if known is not None:
        rest = {key: value for key, value in obj.items() if key != "spec"}
        normalise(context, rest, kind, schemas.of(context.spec))
        return {**rest, "spec": orjson.loads(known)}
    unknown = normalise(context, obj, kind, schemas.of(context.spec))
    if not unknown and "spec" in obj:
        schemas.remember(kind, said, orjson.dumps(obj["spec"]))
    return obj


def _same(left: Any, right: Any) -> bool:
    return bool(left == right) and orjson.dumps(left) == orjson.dumps(right)


def decode_kind(parts: Parts, context: RequestContext, body: bytes, kind: GVK, schema: Schema | None) -> Object:
    """The body of a subresource that has a kind of its own (Scale, Binding, Eviction, TokenRequest)."""
    obj = parse_object(context, body, kind)
    expect_kind(parts, obj, kind)
    normalise(context, obj, kind, schema)
    obj.setdefault("metadata", {})
    return obj


def parse_object(context: RequestContext, body: bytes, kind: GVK) -> Object:
    """The JSON object in a body, with the kind that it is expected to be when it names none."""
    try:
        obj = json_text.loads(body)
    except JsonTextError as error:
        raise unrecognized(body, kind, f"{_NO_KIND}{error}") from None
    if not isinstance(obj, dict):
        raise unrecognized(body, kind, f"{_NO_KIND}json: cannot unmarshal {kind_of(obj)} into Go value of type {_HEAD}")
    for field in ("apiVersion", "kind"):
        if not isinstance(obj.get(field) or "", str):
            found = f"json: cannot unmarshal {kind_of(obj[field])} into Go struct field .{field} of type string"
            raise unrecognized(body, kind, f"{_NO_KIND}{found}")
    note_repeated(context, body, obj)
    obj["apiVersion"] = obj.get("apiVersion") or kind.api_version
    obj["kind"] = obj.get("kind") or kind.kind
    return obj


def unrecognized(body: bytes, kind: GVK, why: str) -> BadRequest:
    """The answer to a body of which not even the kind can be read; it shows how the body begins, in hex when that is
    no JSON."""
    begins = body[:30].decode(errors="replace") if body[:1] == b"{" else body[:30].hex() or "<empty>"
    more = " ..." if len(body) > 30 else ""
    return BadRequest(f"the object provided is unrecognized (must be of type {kind.kind}): {why} ({begins}{more})")


def note_repeated(context: RequestContext, body: bytes, document: Any, *, prefix: str = "") -> None:
    """Keep in `context.misread` the keys that a JSON body has twice in one object; `document` is what it reads as."""
    if context.misread or context.field_validation == "Ignore" or orjson.dumps(document) == body.rstrip():
        return  # nothing was left out
    context.misread = [f'{prefix}duplicate field "{path}"' for path in duplicate_keys(body.decode(errors="replace"))]


def expect_kind(parts: Parts, obj: Object, kind: GVK) -> None:
    """Raises BadRequest when the object says that it is something else."""
    said, wanted = obj["apiVersion"], kind.api_version
    if said != wanted:
        raise BadRequest(f"the API version in the data ({said}) does not match the expected API version ({wanted})")
    if obj["kind"] != kind.kind:
        raise Undecodable(kind, unconvertible(parts, said, obj["kind"], kind), found=obj["kind"])


def unconvertible(parts: Parts, api_version: str, found: str, kind: GVK) -> str:
    """Why an object of some kind is not of another: nobody knows the one, or it cannot become the other."""
    group, version = split_api_version(api_version)
    if not any(spec.gvk == GVK(group, version, found) for spec in parts.resources.all().values()):
        return f'no kind "{found}" is registered for version "{api_version}" in scheme "{_SCHEME}"'
    package = kind.group.partition(".")[0] or "core"
    return f"converting ({version}.{found}) to ({package}.{kind.kind}): unknown conversion"


def normalise(context: RequestContext, obj: Object, kind: GVK, schema: Schema | None) -> Sequence[str]:
    """Decode `obj` by its schema, in place; unknown fields, which it answers, go as `context.field_validation` says."""
    unknown: Sequence[str] = ()
    if schema is not None:
        try:
            unknown = read(context, obj, kind, schema)
        except DecodeError as error:
            raise Undecodable(kind, str(error)) from error
    if not (unknown or context.misread) or context.field_validation == "Ignore":
        return unknown
    messages = [*_misread(context, unknown), *(f'unknown field "{path}"' for path in unknown)]
    if context.field_validation == "Strict":
        raise Undecodable(kind, f"strict decoding error: {', '.join(messages)}")
    for message in messages:
        for line in message.removeprefix(f"{STRICT_YAML}\n").split("\n"):
            context.warn(line.strip())
    return unknown


def _misread(context: RequestContext, unknown: Sequence[str]) -> Sequence[str]:
    """A typed reader does not look into fields that it does not know: what is twice there, it does not see."""
    if context.spec.structural is not None or not unknown:
        return context.misread
    hidden = tuple(f'duplicate field "{path}{end}' for path in unknown for end in ('"', ".", "["))
    return [each for each in context.misread if not each.startswith(hidden)]


def read(context: RequestContext, obj: Object, kind: GVK, schema: Schema) -> Sequence[str]:
    """Decode `obj` by its schema, in place; the paths of unknown fields, which are gone from it. Raises DecodeError."""
    if context.spec.structural is not None and kind == context.spec.gvk:
        # Wrong types in custom resources are found by validation, in other words.
        decode(schema.child("metadata") or schema, obj.get("metadata") or {})
        return prune(schema, obj)
    return decode(schema, obj)


def check_name_and_namespace(context: RequestContext, obj: Object, *, named: bool) -> None:
    """The object must lie where the URL says; it takes its namespace from there when it names none. Raises BadRequest.

    named: whether the URL has the object's name (all writes but create), which the object must have too."""
    metadata = obj["metadata"]
    if not context.spec.namespaced:
        metadata.pop("namespace", None)
    elif not metadata.get("namespace"):
        metadata["namespace"] = context.namespace
    elif metadata["namespace"] != context.namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    if not named:
        return
    name = metadata.get("name")
    if not name:
        why = "name must be provided"
        raise BadRequest(f"the name of the object ({context.name} based on URL) was undeterminable: {why}")
    if name != context.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({context.name})")
