"""Any kind, custom resources too: its fields as a tree, the words of their names apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cli.describe.seen import Seen
from cli.describe.text import Text

Object = Mapping[str, Any]

ACRONYMS = ("API", "URL", "UID", "GUID")
SAID_ABOVE = ("managedFields", "name", "namespace", "labels", "annotations")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|-+|[^A-Za-z-]+")


def generic(text: Text, obj: Object, seen: Seen) -> None:
    about = obj["metadata"]
    text.field("Name", about["name"])
    text.field("Namespace", about.get("namespace", ""))
    text.pairs("Labels", about.get("labels"))
    text.annotations("Annotations", about.get("annotations"))
    rest = {key: value for key, value in about.items() if key not in SAID_ABOVE}
    _tree(text, {**obj, "metadata": rest}, level=0)


def _tree(text: Text, content: Object, *, level: int) -> None:
    for key in sorted(content):
        label, value = spaced(key), content[key]
        if isinstance(value, Mapping):
            text.head(label, level=level)
            _tree(text, value, level=level + 1)
        elif isinstance(value, list):
            text.head(label, level=level)
            for item in value:
                if isinstance(item, Mapping):
                    _tree(text, item, level=level + 1)
                else:
                    text.line(str(item), level=level + 1)
        else:
            text.field(label, value, level=level)


def spaced(name: str) -> str:
    """`creationTimestamp` -> `Creation Timestamp`; names that are data (`example.com/b`) stay."""
    if not all(char.isalpha() or char == "-" for char in name):
        return name
    return " ".join(_word(word) for word in _WORDS.findall(name))


def _word(word: str) -> str:
    if word.upper() in ACRONYMS:
        return word.upper()
    return word.title() if word == word.lower() else word
