"""Header compression (RFC 7541): a decoder for what peers send, and literals for what we answer.

We answer without the dynamic table, so there is no state to keep for that direction: the few fields of a gRPC answer
are constant bytes.
"""

from __future__ import annotations

from collections import deque

from machinery.rpc.http2.huffman import HuffmanError, decode

Field = tuple[bytes, bytes]

TABLE_SIZE = 4096
"""Bytes of the dynamic table that we offer, the default of HTTP/2."""
MAX_FIELDS_BYTES = 64 * 1024
"""Most bytes of one request's fields, counted as SETTINGS_MAX_HEADER_LIST_SIZE counts them."""
_ENTRY_OVERHEAD = 32


class HpackError(ValueError):
    """A header block that cannot be decoded; the connection cannot go on."""


class FieldsTooLarge(ValueError):
    """More fields than we take. The block was decoded whole: the connection goes on."""


class Decoder:
    """Decodes the header blocks of one connection, in their order.

    version: changes with the dynamic table; equal blocks mean the same while it stays.
    """

    def __init__(self) -> None:
        self._table: deque[Field] = deque()  # newest first
        self._size = 0
        self._limit = TABLE_SIZE
        self.version = 0

    def decode(self, block: bytes) -> list[Field]:
        """The fields. Raises HpackError, FieldsTooLarge."""
        try:
            return self._decode(block)
        except (IndexError, HuffmanError) as error:
            raise HpackError(str(error)) from None

    def _decode(self, block: bytes) -> list[Field]:
        fields: list[Field] = []
        total = 0
        at, end = 0, len(block)
        while at < end:
            first = block[at]
            if first & 0x80:
                index, at = _integer(block, at, 7)
                field = self._entry(index)
            elif first & 0xE0 == 0x20:
                limit, at = _integer(block, at, 5)
                if limit > TABLE_SIZE or fields:
                    raise HpackError("a change of the table's size that is not allowed")
                self._limit = limit
                self._evict()
                continue
            else:
                index, at = _integer(block, at, 6 if first & 0x40 else 4)
                if index:
                    name = self._entry(index)[0]
                else:
                    name, at = _string(block, at)
                value, at = _string(block, at)
                field = (name, value)
                if first & 0x40:
                    self._insert(field)
            total += len(field[0]) + len(field[1]) + _ENTRY_OVERHEAD
            if total <= MAX_FIELDS_BYTES:
                fields.append(field)
        if total > MAX_FIELDS_BYTES:
            raise FieldsTooLarge(f"{total} bytes of header fields")
        return fields

    def _entry(self, index: int) -> Field:
        if index == 0:
            raise HpackError("index 0")
        if index <= len(_STATIC):
            return _STATIC[index - 1]
        return self._table[index - len(_STATIC) - 1]

    def _insert(self, field: Field) -> None:
        self._table.appendleft(field)
        self._size += len(field[0]) + len(field[1]) + _ENTRY_OVERHEAD
        self._evict()

    def _evict(self) -> None:
        self.version += 1
        while self._size > self._limit:
            name, value = self._table.pop()
            self._size -= len(name) + len(value) + _ENTRY_OVERHEAD


def literal(name: bytes, value: bytes) -> bytes:
    """A field that no table remembers."""
    return b"".join((b"\x00", _length(len(name)), name, _length(len(value)), value))


def _length(number: int) -> bytes:
    if number < 127:
        return bytes((number,))
    out = bytearray((127,))
    number -= 127
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    limit = (1 << bits) - 1
    number = block[at] & limit
    at += 1
    if number < limit:
        return number, at
    shift = 0
    while True:
        byte = block[at]
        at += 1
        number += (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if shift > 28:
            raise HpackError("an integer that is too large")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    coded = block[at] & 0x80
    length, at = _integer(block, at, 7)
    end = at + length
    if end > len(block):
        raise HpackError("a string that ends after its block")
    value = block[at:end]
    return (decode(value) if coded else value), end


_STATIC: tuple[Field, ...] = tuple(
    (name.encode(), value.encode())
    for name, _, value in (
        line.strip().partition(" ")
        for line in """
        :authority
        :method GET
        :method POST
        :path /
        :path /index.html
        :scheme http
        :scheme https
        :status 200
        :status 204
        :status 206
        :status 304
        :status 400
        :status 404
        :status 500
        accept-charset
        accept-encoding gzip, deflate
        accept-language
        accept-ranges
        accept
        access-control-allow-origin
        age
        allow
        authorization
        cache-control
        content-disposition
        content-encoding
        content-language
        content-length
        content-location
        content-range
        content-type
        cookie
        date
        etag
        expect
        expires
        from
        host
        if-match
        if-modified-since
        if-none-match
        if-range
        if-unmodified-since
        last-modified
        link
        location
        max-forwards
        proxy-authenticate
        proxy-authorization
        range
        referer
        refresh
        retry-after
        server
        set-cookie
        strict-transport-security
        transfer-encoding
        user-agent
        vary
        via
        www-authenticate
        """.strip().splitlines()
    )
)
"""The static table (appendix A), from index 1 on."""
