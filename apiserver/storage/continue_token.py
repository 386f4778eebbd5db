"""Continue tokens: where the next page of a list begins, and at which revision.

The form is upstream's (base64url of JSON with a version, a resourceVersion and the key to start at), so that a client's
assumptions about its length and alphabet hold. Clients must treat it as opaque.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import orjson

from machinery import json_text
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
        document = json_text.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError) as error:
        raise _invalid(str(error)) from None
    if not isinstance(document, dict):
        raise _invalid("it is no object")
    version, revision, start = document.get("v") or "", document.get("rv"), document.get("start")
    if version != _VERSION:
        raise _invalid(f'server does not recognize this encoded version "{version}"')
    if not isinstance(revision, int) or isinstance(revision, bool) or not revision or revision >= 2**63:
        raise _invalid(f"incorrect encoded start resourceVersion (version {_VERSION})")
    if not isinstance(start, str) or not start.endswith("\u0000"):
        raise _invalid(f"encoded start key empty (version {_VERSION})")
    return ContinueToken(start[:-1], None if revision < 0 else revision)


def _invalid(why: str) -> BadRequest:
    return BadRequest(f"invalid continue token: continue key is not valid: {why}")
