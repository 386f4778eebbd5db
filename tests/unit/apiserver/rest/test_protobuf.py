"""Protobuf bodies. The messages are written here by hand, field by field, as the schemas number them."""

from __future__ import annotations

import base64

import pytest

from apiserver.rest.protobuf.decode import MAGIC, ProtobufError, UnknownKind, decode
from apiserver.rest.protobuf.fields import messages
from machinery.schema.definitions import builtin


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def text(field: int, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def body(api_version: str, kind: str, *message: bytes) -> bytes:
    return MAGIC + text(1, text(1, api_version) + text(2, kind)) + text(2, b"".join(message))


def metadata(name: str) -> bytes:
    # Go writes every field that is no pointer, empty ones too; field 8 is the zero creationTimestamp.
    return text(
        1,
        text(1, name) + text(2, "") + text(3, "") + number(7, 0) + text(8, b"") + text(11, text(1, "a") + text(2, "b")),
    )


def test_zero_values_of_plain_fields_are_absent_and_those_of_pointers_count() -> None:
    spec = text(2, number(1, 0) + text(2, text(1, text(1, "app") + text(2, "web"))) + number(5, 0) + number(7, 0))
    assert decode(body("apps/v1", "Deployment", metadata("d"), spec), builtin()) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "labels": {"a": "b"}},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}},
    }


def test_inline_messages_quantities_and_empty_pointers() -> None:
    limits = text(8, text(1, text(1, "cpu") + text(2, text(1, "500m"))))
    container = text(2, text(1, "c") + text(2, "image") + limits)
    volume = text(1, text(1, "v") + text(2, text(2, text(1, ""))))
    assert decode(body("v1", "Pod", metadata("p"), text(2, volume + container)), builtin())["spec"] == {
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [{"name": "c", "image": "image", "resources": {"limits": {"cpu": "500m"}}}],
    }


def test_bytes_times_and_ports() -> None:
    secret = decode(body("v1", "Secret", metadata("s"), text(2, text(1, "k") + text(2, b"\x00\xff"))), builtin())
    assert secret["data"] == {"k": base64.b64encode(b"\x00\xff").decode()}
    lease = decode(
        body(
            "coordination.k8s.io/v1",
            "Lease",
            metadata("l"),
            text(2, text(1, "me") + text(4, number(1, 1) + number(2, 5000))),
        ),
        builtin(),
    )
    assert lease["spec"] == {"holderIdentity": "me", "renewTime": "1970-01-01T00:00:01.000005Z"}
    by_name, by_number = number(1, 1) + text(3, "http"), number(1, 0) + number(2, 80)
    ports = b"".join(text(1, number(3, 80) + text(4, port)) for port in (by_name, by_number))
    service = decode(body("v1", "Service", metadata("s"), text(2, ports)), builtin())
    assert service["spec"]["ports"] == [{"port": 80, "targetPort": "http"}, {"port": 80, "targetPort": 80}]


def test_negative_numbers() -> None:
    priority = decode(body("scheduling.k8s.io/v1", "PriorityClass", metadata("p"), number(2, -5)), builtin())
    assert priority["value"] == -5


def test_lists_in_maps_and_fields_of_newer_clients() -> None:
    extra = text(5, text(1, "scopes") + text(2, text(1, "a") + text(1, "b")))
    review = body("authorization.k8s.io/v1", "SubjectAccessReview", text(2, text(3, "u") + extra + text(900, "?")))
    assert decode(review, builtin())["spec"] == {"user": "u", "extra": {"scopes": ["a", "b"]}}


@pytest.mark.parametrize(
    "broken",
    [b"", b"{}", MAGIC + b"\xff", body("v1", "Pod", metadata("p"))[:-3], body("v1", "Pod", number(1, 5))],
    ids=["empty", "json", "cut tag", "cut message", "number for a message"],
)
def test_what_is_no_message(broken: bytes) -> None:
    with pytest.raises(ProtobufError):
        decode(broken, builtin())


def test_kinds_without_protobuf() -> None:
    with pytest.raises(UnknownKind):
        decode(body("example.com/v1", "Widget"), builtin())


def test_every_field_of_the_table_is_a_field_of_the_schema() -> None:
    definitions = builtin()
    for name, message in messages().items():
        if name not in definitions:
            continue
        known = set(definitions[name].field_names())
        assert {field.name for field in message.values() if not field.inline} <= known, name
        assert all(field.name in messages() for field in message.values() if field.inline), name
