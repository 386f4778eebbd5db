"""The Huffman code of header strings (RFC 7541, appendix B). It is canonical: the lengths say it all."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping


class HuffmanError(ValueError):
    """Bytes that are not an encoded string."""


def decode(data: bytes) -> bytes:
    """The string. Raises HuffmanError for padding or a code that there is not."""
    codes = _codes()
    out = bytearray()
    code = length = 0
    for byte in data:
        for shift in range(7, -1, -1):
            code = code << 1 | (byte >> shift & 1)
            length += 1
            if length >= 5 and (symbol := codes.get((length, code))) is not None:
                out.append(symbol)
                code = length = 0
            elif length > 30:
                raise HuffmanError("no such code")
    if length > 7 or code != (1 << length) - 1:
        raise HuffmanError("padded with something else than the end's first bits")
    return bytes(out)


@functools.cache
def _codes() -> Mapping[tuple[int, int], int]:
    """(length in bits, code) -> symbol. The symbol for the end, all ones in 30 bits, is left out: it is an error."""
    codes: dict[tuple[int, int], int] = {}
    code = 0
    before = 5
    for length, symbols in _LENGTHS.items():
        code <<= length - before
        before = length
        for symbol in symbols:
            codes[length, code] = symbol
            code += 1
    return codes


_LENGTHS: Mapping[int, Iterable[int]] = {
    5: b"012aceiost",
    6: b" %-./3456789=A_bdfghlmnpru",
    7: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: b"&*,;XZ",
    10: b'!"()?',
    11: b"'+|",
    12: b"#>",
    13: b"\x00$@[]~",
    14: b"^}",
    15: b"<`{",
    19: (92, 195, 208),
    20: (128, 130, 131, 162, 184, 194, 224, 226),
    21: (153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230),
    22: (
        *(129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170),
        *(173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233),
    ),
    23: (
        *(1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157),
        *(158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239),
    ),
    24: (9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237),
    25: (199, 207, 234, 235),
    26: (192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255),
    27: (203, 204, 211, 212, 214, 221, 222, 223, 241, *range(244, 249), *range(250, 255)),
    28: (*range(2, 9), 11, 12, *range(14, 22), *range(23, 32), 127, 220, 249),
    30: (10, 13, 22),
}
"""Length of a code in bits -> the symbols that have it, in the order of their codes."""
