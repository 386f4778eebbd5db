"""What a client takes and sends: media types, Tables, metadata alone.

`Accept` is read clause by clause, in order, and the first that is served wins, as upstream (which ignores `q`):
`application/json;as=Table;v=v1;g=meta.k8s.io,application/json`. Protobuf is read and never written: clients that prefer
it name JSON after it, and those that do not get a 406 that says what there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from machinery.client.api import PatchType, Representation
from machinery.errors import NotAcceptable, UnsupportedMediaType

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_SERVED = {"application/json": JSON, "application/yaml": YAML, "text/yaml": YAML, "*/*": JSON, "application/*": JSON}
_AS = {
    "Table": Representation.TABLE,
    "PartialObjectMetadata": Representation.METADATA,
    "PartialObjectMetadataList": Representation.METADATA,
}
_VERSIONS = ("v1", "v1beta1")
_BODIES = {"": JSON, JSON: JSON, YAML: YAML, "text/yaml": YAML, PROTOBUF: PROTOBUF}
_PATCHES = {each.value: each for each in PatchType}


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the answer will be. table_version: of meta.k8s.io, as asked for ("v1" or "v1beta1")."""

    media_type: str = JSON
    representation: Representation = Representation.OBJECT
    table_version: str = "v1"


@lru_cache(maxsize=256)
def accept(header: str, *, transformable: bool = True) -> Accepted:
    """The best of what an Accept header lists. transformable: the answer is an object or a list of them, which can be
    a Table. Raises NotAcceptable."""
    if not header:
        return Accepted()
    for clause in header.split(","):
        media_type, *raw = (part.strip() for part in clause.split(";"))
        served = _SERVED.get(media_type.lower())
        if served is None:
            continue
        parameters = dict(part.partition("=")[::2] for part in raw)
        wanted = parameters.get("as", "")
        if not wanted:
            return Accepted(served)
        group, version = parameters.get("g", ""), parameters.get("v", "")
        if transformable and wanted in _AS and group == "meta.k8s.io" and version in _VERSIONS:
            return Accepted(served, _AS[wanted], version)
    raise NotAcceptable(f"only the following media types are accepted: {JSON}, {YAML}")


def body_type(header: str) -> str:
    """JSON, YAML or PROTOBUF: what a Content-Type says the body is. Raises UnsupportedMediaType."""
    media_type = header.partition(";")[0].strip().lower()
    found = _BODIES.get(media_type)
    if found is None:
        raise unsupported((JSON, YAML, PROTOBUF))
    return found


def patch_type(header: str) -> PatchType:
    """Raises UnsupportedMediaType."""
    found = _PATCHES.get(header.partition(";")[0].strip().lower())
    if found is None:
        raise unsupported(tuple(_PATCHES))
    return found


def takes_gzip(header: str) -> bool:
    """Whether an Accept-Encoding names gzip without refusing it."""
    for clause in header.split(","):
        coding, _, quality = clause.partition(";")
        if coding.strip().lower() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0")
    return False


def unsupported(served: tuple[str, ...]) -> UnsupportedMediaType:
    """The 415 of a body in none of these formats."""
    listed = ", ".join(served)
    return UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {listed}"
    )
