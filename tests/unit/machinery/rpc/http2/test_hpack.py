"""Header compression against the examples of RFC 7541, appendix C, and what must be refused."""

from __future__ import annotations

import pytest

from machinery.rpc.http2.hpack import MAX_FIELDS_BYTES, Decoder, FieldsTooLarge, HpackError, literal
from machinery.rpc.http2.huffman import HuffmanError, decode

REQUESTS = [
    (
        "828684410f7777772e6578616d706c652e636f6d",
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")],
    ),
    (
        "828684be58086e6f2d6361636865",
        "828684be5886a8eb10649cbf",
        [
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b":path", b"/"),
            (b":authority", b"www.example.com"),
            (b"cache-control", b"no-cache"),
        ],
    ),
    (
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        [
            (b":method", b"GET"),
            (b":scheme", b"https"),
            (b":path", b"/index.html"),
            (b":authority", b"www.example.com"),
            (b"custom-key", b"custom-value"),
        ],
    ),
]


@pytest.mark.parametrize("form", [0, 1], ids=["plain", "huffman"])
def test_the_requests_of_the_rfc(form: int) -> None:
    decoder = Decoder()
    for *forms, fields in REQUESTS:
        assert decoder.decode(bytes.fromhex(str(forms[form]))) == fields


def test_the_table_forgets_its_oldest() -> None:
    decoder = Decoder()
    # 256 bytes of table, then three fields of 91, 91 and 82 bytes
    first, second, third = (literal(b"name-%d" % n, b"v" * 52)[1:] for n in range(3))
    decoder.decode(b"\x3f\xe1\x01" + b"\x40" + first + b"\x40" + second)
    assert decoder.decode(b"\xbe\xbf") == [(b"name-1", b"v" * 52), (b"name-0", b"v" * 52)]
    decoder.decode(b"\x40" + third)
    assert decoder.decode(b"\xbe\xbf") == [(b"name-2", b"v" * 52), (b"name-1", b"v" * 52)]
    with pytest.raises(HpackError):
        decoder.decode(b"\xc0")


def test_equal_blocks_mean_the_same_while_the_version_stays() -> None:
    decoder = Decoder()
    decoder.decode(bytes.fromhex(str(REQUESTS[0][0])))
    before = decoder.version
    decoder.decode(b"\x82\xbe")
    assert decoder.version == before
    decoder.decode(b"\x40" + literal(b"a", b"b")[1:])
    assert decoder.version != before


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"\x80", id="index 0"),
        pytest.param(b"\xbe", id="an index past the table"),
        pytest.param(b"\x40\x05abc", id="a string past the end"),
        pytest.param(b"\xff\xff\xff\xff\xff\xff\x0f", id="an integer too large"),
        pytest.param(b"\x3f\xe2\x1f", id="a table larger than offered"),
        pytest.param(b"\x82\x20", id="a table's size after a field"),
        pytest.param(b"\x00\x81\xff\x00", id="padding of eight bits"),
        pytest.param(b"\x7f", id="an integer cut off"),
    ],
)
def test_what_is_no_header_block(block: bytes) -> None:
    with pytest.raises(HpackError):
        Decoder().decode(block)


def test_too_many_fields_leave_the_table_in_step() -> None:
    decoder = Decoder()
    large = literal(b"large", b"x" * MAX_FIELDS_BYTES)
    with pytest.raises(FieldsTooLarge):
        decoder.decode(large + b"\x40" + literal(b"a", b"b")[1:])
    assert decoder.decode(b"\xbe") == [(b"a", b"b")]


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01", b"\xf1\xe3\x00"], ids=["end", "tail", "pad"]
)
def test_what_is_no_huffman_code(data: bytes) -> None:
    with pytest.raises(HuffmanError):
        decode(data)
