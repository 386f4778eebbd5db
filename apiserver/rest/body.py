"""Request bodies: read up to the limit, YAML and protobuf made JSON."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from apiserver.rest.negotiate import JSON, PROTOBUF, YAML, body_type, unsupported
from apiserver.verbs.decode import STRICT_YAML, unrecognized
from machinery.errors import BadRequest, RequestTooLarge
from machinery.manifest import ManifestError, load_lax
from machinery.objects.gvk import GVK

_DELETE_OPTIONS = GVK("meta.k8s.io", "v1", "DeleteOptions")


async def read(request: web.BaseRequest, *, limit: int) -> bytes:
    """The whole body. Raises RequestTooLarge, and BadRequest when it ended too soon or does not decompress."""
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large(limit) from error
    except web.RequestPayloadError as error:
        raise BadRequest(f"unable to read the request body: {error}") from error


async def read_object(request: web.BaseRequest, *, kind: GVK, limit: int) -> tuple[bytes, list[str]]:
    """The body as JSON, whatever its Content-Type says it is, and what a strict reader of YAML holds against it.

    kind: what it is to be. Raises UnsupportedMediaType, BadRequest for what cannot be read, and what `read` does."""
    media_type = body_type(request.headers.get("Content-Type", ""))
    body = await read(request, limit=limit)
    if media_type == YAML:
        return _from_yaml(body, kind)
    return (_from_protobuf(body) if media_type == PROTOBUF else body), []


async def read_delete_options(request: web.BaseRequest, *, limit: int) -> dict[str, Any] | None:
    """The DeleteOptions of a body; None when there is no body. Raises BadRequest for what is no such object."""
    if not request.can_read_body:
        return None
    body, _ = await read_object(request, kind=_DELETE_OPTIONS, limit=limit)
    if not body.strip():
        return None
    try:
        options = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(options, dict):
        raise BadRequest("couldn't get version/kind; json parse error: the body is not an object")
    kind = options.get("kind")
    if kind not in (None, "", "DeleteOptions"):
        raise BadRequest(f"decoded object cannot be converted to DeleteOptions: it is a {kind}")
    return options


def _from_yaml(body: bytes, kind: GVK) -> tuple[bytes, list[str]]:
    try:
        document, twice = load_lax(body)
        said = "\n".join(f"  {each}" for each in twice)
        return orjson.dumps(document), [f"{STRICT_YAML}\n{said}"] if twice else []
    except ManifestError as error:
        raise unrecognized(body, kind, error.message) from error
    except orjson.JSONEncodeError as error:
        raise unrecognized(body, kind, f"yaml: {error}") from error


def _from_protobuf(body: bytes) -> bytes:
    from apiserver.rest.protobuf.decode import ProtobufError, UnknownKind, decode
    from machinery.schema.definitions import builtin

    try:
        return orjson.dumps(decode(body, builtin()))
    except UnknownKind as error:
        raise unsupported((JSON, YAML)) from error
    except ProtobufError as error:
        raise BadRequest(str(error)) from error


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"Request entity too large: limit is {limit}")
