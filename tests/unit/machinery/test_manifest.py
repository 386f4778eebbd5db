"""Manifests: the YAML that Kubernetes users write."""

from __future__ import annotations

from typing import Any

import pytest

from machinery import manifest
from machinery.manifest import ManifestError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("No", False), ("on", True), ("true", True), ('"yes"', "yes"), ("'1'", "1"), ("y", "y"),
        ("n", "n"),
        ("017", 15), ("0o17", 15), ("0x1f", 31), ("0b11", 3), ("1_000", 1000), ("-1", -1), ("1.5", 1.5), (".5", 0.5),
        ("1e3", 1000.0), ("2020-01-01", "2020-01-01"), ("1:30", "1:30"), ("0.0.1", "0.0.1"), ("1.2.3.4", "1.2.3.4"),
        ("~", None), ("null", None), ("", None), ("!!str 12", "12"), ("!!int 12", 12), ("100m", "100m"), ("08", "08"),
        (".inf", ".inf"), ("18446744073709551615", 18446744073709551615),
    ],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    found = manifest.load(f"a: {text}\n")["a"]
    assert found == value and type(found) is type(value)


def test_documents_comments_anchors_and_merges() -> None:
    text = "# only a comment\n---\nkind: A\nbase: &b {x: 1}\nagain: *b\nmerged:\n  <<: *b\n  y: 2\n"
    first, second = manifest.load_all(text + "---\n---\nkind: B\n1: a\n")
    assert first == {"kind": "A", "base": {"x": 1}, "again": {"x": 1}, "merged": {"x": 1, "y": 2}}
    assert second == {"kind": "B", "1": "a"}


def test_json_is_read_as_json() -> None:
    assert manifest.load_all(b'{"a": "yes", "b": 1e2}') == [{"a": "yes", "b": 100.0}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c\n", "f.yaml:1: error converting YAML to JSON: mapping values are not allowed in this context"),
        ("a: 1\nb: 2\na: 3\n", 'f.yaml:3: key "a" already set in map'),
        ("a:\n\t- b\n", "f.yaml:2: error converting YAML to JSON: while scanning for the next token"),
        ("- 1\n", "f.yaml:1: expected an object, found a list"),
        ("kind: A\n---\nfoo\n", "f.yaml:3: expected an object, found a string"),
        ("a: *x\n", "f.yaml:1: unknown anchor 'x' referenced"),
        ("a: !!int x\n", "f.yaml:1: cannot decode !!str `x` as a !!int"),
        ("? [a]\n: b\n", "f.yaml:1: a key must be a scalar"),
        (b"a: 1\nb: \xff\n", "f.yaml:2: the text is not UTF-8"),
    ],
)
def test_errors_name_the_line(text: str | bytes, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        manifest.load_all(text, source="f.yaml")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "n",
        "1",
        "1.5",
        "017",
        "1e3",
        "2020-01-01",
        "",
        "~",
        "null",
        "a: b",
        "#x",
        " x",
        "x\ny\n",
        "x\ny",
        "x \ny",
        "0x1f",
    ],
)
def test_texts_survive_a_dump(text: str) -> None:
    assert manifest.load(manifest.dump({"a": text, text or "k": 1})) == {"a": text, text or "k": 1}


def test_dump_looks_like_kubectls() -> None:
    dumped = manifest.dump({"b": [{"x": 1, "w": "yes"}], "a": {}, "t": "l1\nl2\n", "e": [], "v": "1"})
    assert dumped == 'a: {}\nb:\n- w: "yes"\n  x: 1\ne: []\nt: |\n  l1\n  l2\nv: "1"\n'


LAUGHS = "\n".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}' if n else 'x'] * 9)}]" for n in range(9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 200_000, "exceeded max depth"),
        ("[" * 200_000 + "]" * 200_000, "exceeded max depth"),
        ("{a: " * 5_000, "exceeded max depth"),
        ("- " * 5_000, "exceeded max depth"),
        ("a: &a [*a]", "anchor 'a' value contains itself"),
        ("a: *b", "unknown anchor 'b' referenced"),
        (LAUGHS, "document contains excessive aliasing"),
    ],
    ids=["open", "deep", "maps", "blocks", "itself", "unknown", "laughs"],
)
def test_texts_that_would_hurt(text: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        manifest.load_lax(text)
    assert caught.value.message == f"yaml: {message}"
    with pytest.raises(ManifestError, match=message):
        manifest.load_all(text)


def test_aliases_are_copies() -> None:
    document = manifest.load("a: &a {k: [1]}\nb: *a\nc: {<<: *a, d: 2}\n")
    assert document == {"a": {"k": [1]}, "b": {"k": [1]}, "c": {"k": [1], "d": 2}}
    assert document["a"]["k"] is not document["b"]["k"]


def test_a_lax_reader_tells_of_keys_that_come_twice() -> None:
    text = "a: 1\na:\n  b: 2\nc: [{d: 1, d: 2}]\n---\nthe rest\n"
    assert manifest.load_lax(text) == (
        {"a": {"b": 2}, "c": [{"d": 2}]},
        ['line 3: key "a" already set in map', 'line 4: key "d" already set in map'],
    )
