"""Keys that come twice."""

from __future__ import annotations

from machinery.json_keys import duplicate_keys


def test_duplicate_keys_of_json() -> None:
    assert duplicate_keys('{"a":1,"b":[{"c":1,"c":2}],"a":2}') == ["a", "b[0].c"]
    assert duplicate_keys('{"a":1,"b":{"a":2}}') == []
