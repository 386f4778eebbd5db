"""Field selectors."""

from __future__ import annotations

import pytest

from machinery.objects import fields
from machinery.objects.selectors import SelectorError

POD = {"metadata": {"name": "a", "namespace": "n"}, "spec": {"nodeName": "x", "hostNetwork": True}, "status": {}}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True), ("metadata.name=a", True), ("metadata.name==b", False), ("metadata.name!=b", True),
        ("spec.nodeName=x,metadata.namespace=n", True), ("status.phase=", True), ("status.phase!=", False),
        ("spec.hostNetwork=true", True),
    ],
)  # fmt: skip
def test_matches(text: str, matches: bool) -> None:
    assert fields.parse(text).matches_object(POD) is matches


def test_escapes() -> None:
    selector = fields.parse(r"a=x\,y\=z\\")
    assert selector.exact("a") == "x,y=z\\"
    assert fields.parse(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", "invalid selector: 'foo'; can't understand 'foo'"),
        ("a=b=c", "invalid field selector: unescaped character in value: b=c"),
        ("a=b\\", "invalid field selector: unterminated escape sequence in b\\"),
    ],
)
def test_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        fields.parse(text)
    assert str(caught.value) == message


def test_fields_that_a_kind_does_not_offer() -> None:
    with pytest.raises(SelectorError, match=r"field label not supported: spec\.foo"):
        fields.parse("spec.foo=1").check(fields.METADATA_FIELDS)
