"""Accept, Content-Type and Accept-Encoding."""

from __future__ import annotations

import pytest

from apiserver.rest.negotiate import JSON, PROTOBUF, YAML, Accepted, accept, body_type, patch_type, takes_gzip
from machinery.client.api import PatchType, Representation
from machinery.errors import NotAcceptable, UnsupportedMediaType

TABLE_V1 = "application/json;as=Table;v=v1;g=meta.k8s.io"
TABLE_BETA = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Accepted()),
        ("*/*", Accepted()),
        ("application/json, */*", Accepted()),
        (f"{TABLE_V1},{TABLE_BETA},application/json", Accepted(JSON, Representation.TABLE)),
        (f"{TABLE_BETA},application/json", Accepted(JSON, Representation.TABLE, "v1beta1")),
        (f"{METADATA},application/json", Accepted(JSON, Representation.METADATA)),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Accepted()),
        ("application/vnd.kubernetes.protobuf,application/json", Accepted()),
        ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io," + TABLE_V1,
         Accepted(JSON, Representation.TABLE)),
        ("application/yaml", Accepted(YAML)),
        ("application/yaml;q=0.9, application/json", Accepted(YAML)),
        ("application/json; charset=utf-8", Accepted()),
    ],
)  # fmt: skip
def test_accept(header: str, expected: Accepted) -> None:
    assert accept(header) == expected


@pytest.mark.parametrize("header", ["text/html", "application/vnd.kubernetes.protobuf", "application/cbor"])
def test_accept_refuses_and_says_what_there_is(header: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        accept(header)
    assert caught.value.message == "only the following media types are accepted: application/json, application/yaml"


@pytest.mark.parametrize(
    ("header", "expected"),
    [("", JSON), ("application/json", JSON), ("application/json; charset=utf-8", JSON), ("application/yaml", YAML),
     ("Application/YAML", YAML), ("application/vnd.kubernetes.protobuf", PROTOBUF)],
)  # fmt: skip
def test_body_type(header: str, expected: str) -> None:
    assert body_type(header) == expected


def test_unknown_body_type() -> None:
    with pytest.raises(UnsupportedMediaType, match="unknown format"):
        body_type("text/plain")


def test_patch_types() -> None:
    assert patch_type("application/apply-patch+yaml") is PatchType.APPLY
    assert patch_type("application/merge-patch+json; charset=utf-8") is PatchType.MERGE
    with pytest.raises(UnsupportedMediaType) as caught:
        patch_type("application/json")
    assert "application/json-patch+json, application/merge-patch+json" in caught.value.message


@pytest.mark.parametrize(
    ("header", "expected"),
    [("gzip", True), ("deflate, gzip;q=0.5", True), ("gzip;q=0", False), ("br", False), ("", False), ("*", True)],
)
def test_gzip(header: str, expected: bool) -> None:
    assert takes_gzip(header) is expected
