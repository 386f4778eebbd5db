"""Continue tokens: where the next page of a list begins, and at which revision.

The form is upstream's (base64url of JSON with a version, a resourceVersion and the key to start at), so that a client's
assumptions about its length and alphabet hold. Clients must treat it as opaque.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import orjson

from machinery.errors import BadRequest

_VERSION = "meta.k8s.io/v1"
_LATEST = -1


@dataclass(frozen=True, slots=True)
class ContinueToken:
    """after: the path of the last object of the page before. revision: of the whole list; None takes the newest (an
    inconsistent continuation, which the client chose after an Expired)."""

    after: str
    revision: int | None

    def encode(self) -> str:
        revision = _LATEST if self.revision is None else self.revision
        text = orjson.dumps({"v": _VERSION, "rv": revision, "start": self.after + "\u0000"})
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode(text: str) -> ContinueToken:
    """Raises BadRequest for what this server did not make."""
    try:
        document = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        version, revision, start = document["v"], document["rv"], document["start"]
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadRequest(f"continue key is not valid: {error}") from None
    if version != _VERSION:
        raise BadRequest(f"continue key is not valid: server does not recognize this encoded version {version!r}")
    if not isinstance(start, str) or not start.endswith("\u0000") or not isinstance(revision, int) or not revision:
        raise BadRequest("continue key is not valid: incorrect encoded start key or resourceVersion")
    return ContinueToken(start[:-1], None if revision < 0 else revision)
