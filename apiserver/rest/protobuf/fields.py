"""Which field of which message has which number: the one thing that the JSON schemas do not say.

`fields.txt` has a line per message, `name: field field …`, in the order of the fields' numbers from 1; `-` is a number
that is not in use. A `*` after a field says that it is a pointer in Go, so that a zero is a value and not its absence.
`+message` is a message that JSON does not nest: its fields are the outer one's.

The numbers are those of kubernetes/api and kubernetes/apimachinery (`generated.proto`); they never change.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

PREFIX = "io.k8s."


class Field(NamedTuple):
    """name: in JSON; the definition's name when `inline`. pointer: zero values count."""

    name: str
    pointer: bool = False
    inline: bool = False


Message = Mapping[int, Field]


@cache
def messages() -> Mapping[str, Message]:
    """Definition name ("io.k8s.api.core.v1.Pod") -> its fields by number. Read once, never changed."""
    text = pathlib.Path(__file__).with_name("fields.txt").read_text(encoding="ascii")
    found: dict[str, Message] = {}
    for line in text.splitlines():
        name, _, words = line.partition(": ")
        found[PREFIX + name] = {
            number: _field(word) for number, word in enumerate(words.split(), start=1) if word != "-"
        }
    return found


def _field(word: str) -> Field:
    if word.startswith("+"):
        return Field(PREFIX + word[1:], inline=True)
    return Field(word.rstrip("*"), pointer=word.endswith("*"))
