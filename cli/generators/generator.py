"""What a generator is: words and flags in, an object out, as kubectl makes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.errors import UsageError
from cli.flags import Flag, Parsed
from machinery.objects.gvk import GVR

if TYPE_CHECKING:
    from cli.context import Session

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Generator:
    """One kind that can be made from flags. usage: the words after `create`. make: pure, `(name, flags) -> object`.

    noun: what a refusal says could not be created; "" where kubectl says nothing of its own.
    passes_on: whether words after `--` are the container's command.
    prepare: what has to be asked of the server first; its answers go into the flags' values.
    """

    resource: GVR
    usage: str
    summary: str
    noun: str
    make: Callable[[str, Parsed], Object]
    flags: Sequence[Flag] = ()
    namespaced: bool = True
    aliases: Sequence[str] = ()
    passes_on: bool = False
    prepare: Callable[[Session, Parsed], Awaitable[None]] | None = None


def new(api_version: str, kind: str, name: str, **rest: Any) -> Object:
    """An object with nothing but its name, and `rest` on the top level."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}


def pairs(words: Sequence[str]) -> dict[str, str]:
    """`a=b` words as a dict. Raises UsageError."""
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"invalid argument syntax for {word}: expected key=value")
        found[key] = value
    return found
