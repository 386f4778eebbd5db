"""The protobuf wire format: a message's bytes as fields of numbers and raw values."""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are no protobuf message."""


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(field number, wire type, value): an unsigned int for varints, bytes for the other types. Raises WireError."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise WireError("field number 0")
        if wire == VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            length, at = _varint(data, at)
        elif wire == FIXED64:
            length = 8
        elif wire == FIXED32:
            length = 4
        else:
            raise WireError(f"wire type {wire}")
        if at + length > end:
            raise WireError("unexpected EOF")
        yield number, wire, data[at : at + length]
        at += length


def signed(value: int) -> int:
    """A varint as the int32 or int64 it stands for: two's complement of 64 bits."""
    return value - (1 << 64) if value >= 1 << 63 else value


def packed(data: bytes) -> Iterator[int]:
    """The varints of a packed repeated field."""
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def double(data: bytes) -> float:
    """A fixed64 as the double it stands for."""
    value: float = struct.unpack("<d", data)[0]
    return value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise WireError("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise WireError("integer overflow")
