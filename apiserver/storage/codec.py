"""Objects as the store holds them: JSON that begins with apiVersion, kind and metadata, without a resourceVersion.

The store's mod_revision is the resourceVersion. It is spliced into the stored bytes when they are read, which costs
half a microsecond; decoding and encoding a pod costs fifty times that.
"""

from __future__ import annotations

from typing import Any

import orjson

Object = dict[str, Any]

_METADATA = b'"metadata":{'
_VERSIONED = b'"metadata":{"resourceVersion":"'


def encode(obj: Object) -> bytes:
    """The stored form. The argument is not changed."""
    metadata = obj["metadata"]
    if "resourceVersion" in metadata:
        metadata = {key: value for key, value in metadata.items() if key != "resourceVersion"}
    ordered: Object = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
    for key, value in obj.items():
        if key not in ordered:
            ordered[key] = value
    return orjson.dumps(ordered)


def splice(value: bytes, revision: int) -> bytes:
    """The stored form with its resourceVersion in it: what clients get.

    The first `"metadata":{` is the object's own, for only apiVersion and kind come before it."""
    at = value.index(_METADATA) + len(_METADATA)
    return b'%b"resourceVersion":"%d",%b' % (value[:at], revision, value[at:])


def respliced(body: bytes, revision: int) -> bytes:
    """What `splice` answered, with another resourceVersion."""
    at = body.index(_VERSIONED) + len(_VERSIONED)
    return b"%b%d%b" % (body[:at], revision, body[body.index(b'"', at) :])


def decode(body: bytes) -> Object:
    """A new object, free to be changed."""
    obj: Object = orjson.loads(body)
    return obj


def versioned(obj: Object, revision: int) -> Object:
    """The object with this resourceVersion, in a copy of its metadata."""
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(revision)}}
