"""Watch frames, warnings and identities: the small pure parts."""

from __future__ import annotations

import orjson

from apiserver.auth.api import Impersonation
from apiserver.rest.identity import impersonation, subject
from apiserver.rest.respond import quoted
from apiserver.rest.stream import frames
from apiserver.verbs.options import WatchItem
from machinery.client.rest import warnings_of
from machinery.rpc.api import Peer


def test_a_frame_is_a_line_of_json() -> None:
    lines = list(frames([WatchItem("ADDED", b'{"a":1}'), WatchItem("BOOKMARK", b"{}")]))
    assert lines == [b'{"type":"ADDED","object":{"a":1}}\n', b'{"type":"BOOKMARK","object":{}}\n']
    assert orjson.loads(lines[0]) == {"type": "ADDED", "object": {"a": 1}}


def test_a_warning_survives_the_header() -> None:
    text = 'spec.x: "quoted" and \\ back'
    assert warnings_of([f"299 - {quoted(text)}"]) == [text]
    assert warnings_of(['199 - "other"', "299 - unquoted"]) == []


def test_a_warning_cannot_break_out_of_its_header() -> None:
    assert "\n" not in quoted("a\r\nSet-Cookie: x")


def test_subject_of_a_certificate() -> None:
    certificate = {"subject": ((("organizationName", "a"),), (("organizationName", "b"),), (("commonName", "me"),))}
    assert subject(certificate) == Peer("me", ("a", "b"))
    assert subject({"subject": ((("organizationName", "a"),),)}) is None


def test_impersonation_headers() -> None:
    headers = [("Impersonate-User", "u"), ("impersonate-group", "a"), ("Impersonate-Group", "b"),
               ("Impersonate-Uid", "1"), ("Impersonate-Extra-Acme.com%2fProject", "p"), ("Host", "x")]  # fmt: skip
    assert impersonation(headers) == Impersonation("u", ("a", "b"), "1", {"acme.com/project": ("p",)})
