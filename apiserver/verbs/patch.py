"""PATCH: JSON patch, merge patch, strategic merge patch, and server-side apply.

A patch is computed on the object as it is stored and then goes the way of an update; when somebody else was faster, it
is computed again on what they left. Only a patch that names a resourceVersion can conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from apiserver.storage.store import Stored
from apiserver.verbs import put
from apiserver.verbs.change import changed
from apiserver.verbs.context import RequestContext, Written
from apiserver.verbs.decode import (
    Undecodable,
    check_name_and_namespace,
    not_metadata,
    note_repeated,
    read,
    typed,
    unconvertible,
)
from apiserver.verbs.gate import PARTS_OF_OBJECTS, authorize, enter, stored
from apiserver.verbs.make import create_object
from apiserver.verbs.managed import unwritable
from apiserver.verbs.parts import Parts
from apiserver.verbs.patch_errors import undecodable, unprocessable, untyped
from apiserver.verbs.typed_config import mistakes
from machinery import json_text
from machinery.client.api import PatchType
from machinery.errors import (
    ApiError,
    BadRequest,
    FieldError,
    NotFound,
    RequestTooLarge,
    UnsupportedMediaType,
    conflict,
    invalid,
)
from machinery.json_keys import duplicate_keys
from machinery.json_text import JsonTextError, shallow
from machinery.objects.gvk import GVK, split_api_version
from machinery.objects.meta import deep_copy
from machinery.patch import json_patch, merge, strategic
from machinery.patch.apply import apply
from machinery.patch.errors import NoMergeKey, PatchFailed, PatchMalformed
from machinery.schema.decode import DecodeError, kind_of
from machinery.schema.model import Schema

Object = dict[str, Any]

_OPERATION = ("op", "path", "from", "value")
PATCH_OPTIONS = GVK("meta.k8s.io", "", "PatchOptions")


async def patch(
    parts: Parts, context: RequestContext, body: bytes, *, patch_type: PatchType, force: bool = False
) -> Written:
    """See `api.Verbs.patch`."""
    enter(parts, context)
    stored(context, *PARTS_OF_OBJECTS)
    if patch_type is PatchType.APPLY:
        return await _apply(parts, context, body, force=force)
    if force:
        raise _options_error("force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch")
    if context.subresource == "scale":
        compute = _computation(context, parts.schemas.named("io.k8s.api.autoscaling.v1.Scale"), body, patch_type)
        left = b""

        def decide(current: Object) -> Object:
            nonlocal left
            new = compute(current)
            left = orjson.dumps(new)
            return new

        try:
            return await put.rescale(parts, context, decide)
        except Undecodable as error:
            raise undecodable(error, patch_type, orjson.loads(body), left) from None
    schema = parts.schemas.of(context.spec)
    if patch_type is PatchType.STRATEGIC and context.spec.structural is not None:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        )
    compute = _computation(context, schema, body, patch_type)

    def patched(current: Stored) -> Object:
        return _named(compute(current.obj), context, current.obj if patch_type is PatchType.STRATEGIC else {})

    async def change(current: Stored) -> Object:
        new = patched(current)
        try:
            if not isinstance(new["metadata"], dict):
                raise not_metadata(context.spec.gvk, new["metadata"])
            _still_of(parts, context, new)
            new = typed(parts, context, new, stored=current.obj)
        except Undecodable as error:
            # Reading has changed `new`: what the patch left is made once more, for it is rarely asked for.
            raise undecodable(error, patch_type, orjson.loads(body), orjson.dumps(patched(current))) from None
        check_name_and_namespace(context, new, named=True)
        return await changed(parts, context, new, current)

    outcome = await parts.store.update(context.spec, context.namespace, context.name, change, dry_run=context.dry_run)
    return Written(outcome.body, obj=outcome.obj)


async def _apply(parts: Parts, context: RequestContext, body: bytes, *, force: bool) -> Written:
    if not context.field_manager:
        raise _options_error("fieldManager", "FieldValueRequired", "Required value: is required for apply patch")
    spec, schema = context.spec, parts.schemas.of(context.spec)
    if schema is None:
        raise UnsupportedMediaType(f"server-side apply needs the schema of {spec.gvr.group_resource}")
    config, twice = _applied(context, body)
    if config["metadata"].get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    if context.subresource == "scale":
        return await put.rescale(parts, context, lambda current: merge.apply(current, config))
    if found := mistakes(schema, config):
        raise untyped(config, found)
    try:
        read(context, config, spec.gvk, schema)
    except DecodeError as error:
        raise untyped(config, [str(error)]) from None
    check_name_and_namespace(context, config, named=True)

    def merged(live: Object | None) -> Object:
        new = deep_copy(
            apply(
                schema,
                live,
                config,
                manager=context.field_manager,
                force=force,
                now=parts.clock.now(),
                subresource=context.subresource,
                ignore=unwritable(spec, context.subresource),
            )
        )
        _tell_of(context, twice)  # conflicts come first
        return new

    async def change(current: Stored) -> Object:
        return await changed(parts, context, _asking(merged(current.obj), config), current, managed=True)

    while True:
        try:
            outcome = await parts.store.update(spec, context.namespace, context.name, change, dry_run=context.dry_run)
            return Written(outcome.body, obj=outcome.obj)
        except NotFound:
            if context.subresource:
                raise
        authorize(parts, context, verb="create")
        if uid := config["metadata"].get("uid"):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise conflict(spec.gvr, context.name, why)
        try:
            created = await create_object(parts, context, merged(None), managed=True)
            return Written(created.body, created=True, obj=created.obj)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise


def _asking(new: Object, config: Object) -> Object:
    """An apply is conditional only when the applied configuration itself names a resourceVersion or uid."""
    asked = config.get("metadata") or {}
    for field in ("resourceVersion", "uid"):
        new["metadata"].pop(field, None)
        if asked.get(field):
            new["metadata"][field] = asked[field]
    return new


def _tell_of(context: RequestContext, twice: Sequence[str]) -> None:
    """Keys that come twice in an applied configuration. Raises BadRequest when the client asked for that."""
    if not twice or context.field_validation == "Ignore":
        return
    if context.field_validation == "Strict":
        listed = "".join(f"\n  {each}" for each in twice)
        why = f"error converting YAML to JSON: yaml: unmarshal errors:{listed}"
        raise BadRequest(f"error strict decoding YAML: {why}")
    for each in twice:
        context.warn(each)


def _applied(context: RequestContext, body: bytes) -> tuple[Object, Sequence[str]]:
    """The configuration in the body of an apply, JSON or YAML, and the keys that it has twice."""
    twice: Sequence[str] = ()
    try:
        config = orjson.loads(body)
        if not shallow(body) or (orjson.dumps(config) != body and duplicate_keys(body.decode(errors="replace"))):
            _, twice = _yaml(body)
    except orjson.JSONDecodeError:
        config, twice = _yaml(body)
    if config is None:
        config = {}
    if not isinstance(config, dict):
        what = f"json: cannot unmarshal {kind_of(config)} into Go value of type map[string]interface {{}}"
        raise BadRequest(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {what}")
    kind = context.spec.gvk if context.subresource != "scale" else GVK("autoscaling", "v1", "Scale")
    if config.get("apiVersion") != kind.api_version or config.get("kind") != kind.kind:
        group, version = split_api_version(str(config.get("apiVersion") or ""))
        raise BadRequest(f"invalid object type: {group}/{version}, Kind={config.get('kind') or ''}")
    if not isinstance(config.setdefault("metadata", {}), dict):
        raise BadRequest("error decoding YAML: metadata is no object")
    return config, twice


def _yaml(body: bytes) -> tuple[Any, Sequence[str]]:
    from machinery.manifest import ManifestError, load_lax  # imports yaml, which few requests need

    try:
        return load_lax(body)
    except ManifestError as error:
        raise BadRequest(f"error decoding YAML: error converting YAML to JSON: {error.message}") from None


def _computation(
    context: RequestContext, schema: Schema | None, body: bytes, patch_type: PatchType
) -> Callable[[Object], Object]:
    """The patch as a function of the object; each call gives an object that shares nothing with its argument."""
    try:
        document = json_text.loads(body)
    except JsonTextError as error:
        said = "" if patch_type is PatchType.STRATEGIC else "error decoding patch: "
        raise BadRequest(f"{said}{error}") from None
    if patch_type is PatchType.JSON:
        _check_operations(context, body, document)
    elif not isinstance(document, dict):
        said = "" if patch_type is PatchType.STRATEGIC else "error decoding patch: "
        what = f"json: cannot unmarshal {kind_of(document)} into Go value of type map[string]interface {{}}"
        raise BadRequest(said + what)
    else:
        note_repeated(context, body, document)

    def compute(current: Object) -> Object:
        try:
            match patch_type:
                case PatchType.JSON:
                    new = json_patch.apply(current, document)
                case PatchType.STRATEGIC if schema is not None:
                    new = strategic.apply(current, document, schema)
                case _:
                    new = merge.apply(current, document)
        except PatchMalformed as error:
            if patch_type is PatchType.JSON:
                # It is well-formed; that an operation makes no sense shows when it is done.
                raise unprocessable() from error
            raise BadRequest(str(error)) from None
        except NoMergeKey as error:
            raise ApiError(str(error), code=500, reason="") from None  # upstream has no better answer
        except PatchFailed as error:
            raise unprocessable() from error
        if not isinstance(new, dict):
            raise unprocessable()
        try:
            text = orjson.dumps(new)
        except orjson.JSONEncodeError:
            raise unprocessable() from None
        if not shallow(text):
            raise unprocessable()
        copy: Object = orjson.loads(text)
        return copy

    return compute


def _check_operations(context: RequestContext, body: bytes, document: Any) -> None:
    """Whether a JSON patch is a list of operations; what a strict reader holds against them goes to the context."""
    strict = context.field_validation != "Ignore"
    operation = "handlers.jsonPatchOp" if strict else "jsonpatch.Operation"
    if not isinstance(document, list):
        whole = f"[]{operation}" if strict else "jsonpatch.Patch"
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {kind_of(document)} into Go value of type {whole}"
        )
    for each in document:
        if not isinstance(each, dict):
            found = f"json: cannot unmarshal {kind_of(each)} into Go value of type {operation}"
            raise BadRequest(f"error decoding patch: {found}")
        for field in ("op", "path", "from"):
            if strict and not isinstance(each.get(field) or "", str):
                where = f"Go struct field jsonPatchOp.{field} of type string"
                raise BadRequest(f"error decoding patch: json: cannot unmarshal {kind_of(each[field])} into {where}")
    if len(document) > json_patch.MAX_OPERATIONS:
        limit = json_patch.MAX_OPERATIONS
        raise RequestTooLarge(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {limit}, got {len(document)}"
        )
    note_repeated(context, body, document, prefix="json patch ")
    if strict:
        context.misread = [
            *context.misread,
            *(
                f'json patch unknown field "[{index}].{field}"'
                for index, each in enumerate(document)
                for field in each
                if field not in _OPERATION
            ),
        ]


def _named(new: Object, context: RequestContext, kept: Object) -> Object:
    """A patch may not take away what an object is. kept: what it cannot even change (a strategic one is of a type)."""
    for field, value in (("apiVersion", context.spec.gvk.api_version), ("kind", context.spec.kind)):
        new[field] = kept.get(field) or new.get(field) or value
    if new.get("metadata") is None:
        new["metadata"] = {}
    return new


def _still_of(parts: Parts, context: RequestContext, new: Object) -> None:
    """Raises Undecodable for a patch that makes something else of the object."""
    version, kind, wanted = str(new["apiVersion"]), str(new["kind"]), context.spec.gvk
    if (version, kind) != (wanted.api_version, wanted.kind):
        raise Undecodable(wanted, unconvertible(parts, version, kind, wanted), found=kind)


def _options_error(field: str, reason: str, message: str) -> ApiError:
    return invalid(PATCH_OPTIONS, "", [FieldError(field, reason, message)])
