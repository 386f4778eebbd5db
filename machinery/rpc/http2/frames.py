"""The numbers and layouts of HTTP/2 frames (RFC 9113, sections 4 to 7)."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first."""
HEADER = struct.Struct("!IBI")
"""length << 8 | type, flags, stream."""
HEADER_BYTES = 9
MAX_FRAME = 16384
"""Bytes of a frame's payload that everybody takes, and the most that we take."""
DEFAULT_WINDOW = 65535
MAX_WINDOW = 2**31 - 1

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = 0x1
ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

SETTINGS_MAX_CONCURRENT_STREAMS = 3
SETTINGS_INITIAL_WINDOW_SIZE = 4
SETTINGS_MAX_FRAME_SIZE = 5
SETTINGS_MAX_HEADER_LIST_SIZE = 6

_SETTING = struct.Struct("!HI")


class Reason(enum.IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class ConnectionFault(Exception):
    """The peer broke the protocol in a way that ends the connection."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame as bytes."""
    return HEADER.pack(len(payload) << 8 | kind, flags, stream) + payload


def number(value: int) -> bytes:
    """Four bytes."""
    return value.to_bytes(4, "big")


def settings(values: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(name, value) for name, value in values.items()))


def parse_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """(name, value) of a SETTINGS frame. Raises ConnectionFault."""
    if len(payload) % 6:
        raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "SETTINGS of a wrong size")
    return _SETTING.iter_unpack(payload)


def without_padding(flags: int, payload: bytes) -> bytes:
    """What a DATA or HEADERS frame carries. Raises ConnectionFault."""
    if flags & PADDED:
        if not payload or payload[0] >= len(payload):
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "padding longer than the frame")
        return payload[1 : len(payload) - payload[0]]
    return payload
