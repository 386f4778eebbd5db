from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinery import json_text
from machinery.json_text import JsonTextError

NO_JSON = [
    (b"", "unexpected end of JSON input"),
    (b"  ", "unexpected end of JSON input"),
    (b"{", "unexpected end of JSON input"),
    (b'{"a"', "unexpected end of JSON input"),
    (b'{"a', "unexpected end of JSON input"),
    (b"[1", "unexpected end of JSON input"),
    (b"[1,", "unexpected end of JSON input"),
    (b"tr", "unexpected end of JSON input"),
    (b"-", "unexpected end of JSON input"),
    (b'"\\u12', "unexpected end of JSON input"),
    (b"x", "invalid character 'x' looking for beginning of value"),
    (b"[1,]", "invalid character ']' looking for beginning of value"),
    (b"{a:1}", "invalid character 'a' looking for beginning of object key string"),
    (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
    (b'{"a" 1}', "invalid character '1' after object key"),
    (b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
    (b"[1 2]", "invalid character '2' after array element"),
    (b"[[]]]", "invalid character ']' after top-level value"),
    (b"[" + b"[ ]," * 300_000 + b"x", "invalid character 'x' looking for beginning of value"),
    (b"{} trailing", "invalid character 't' after top-level value"),
    (b"trye", "invalid character 'y' in literal true (expecting 'u')"),
    (b"-a", "invalid character 'a' in numeric literal"),
    (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
    (b"1ex", "invalid character 'x' in exponent of numeric literal"),
    (b'"a\nb"', "invalid character '\\n' in string literal"),
    (b'"\\q"', "invalid character 'q' in string escape code"),
    (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
    (b"[" * 300 + b"]" * 300, "exceeded max depth"),
    (b"[" * 100_000 + b"]" * 100_000, "exceeded max depth"),
    (b'{"a":' * 201 + b"1" + b"}" * 201, "exceeded max depth"),
]


@pytest.mark.parametrize(("text", "message"), NO_JSON, ids=[str(text[:16]) for text, _ in NO_JSON])
def test_texts_that_are_no_json(text: bytes, message: str) -> None:
    with pytest.raises(JsonTextError) as caught:
        json_text.loads(text)
    assert str(caught.value) == message


def test_what_go_forgives() -> None:
    assert json_text.loads(b'{"a":"\xff\xfe"}') == {"a": "\ufffd\ufffd"}
    assert json_text.loads(b'["\\ud800", "\\ud83d\\ude00", "\\\\ud800"]') == ["\ufffd", "\U0001f600", "\\ud800"]


def test_brackets_in_texts_are_not_deep() -> None:
    assert json_text.loads(b'["' + b"[" * 500 + b'\\"[", 1]')[1] == 1
    assert len(json_text.loads(b"[" + b",".join([b"[]"] * 500) + b"]")) == 500


@given(st.text(alphabet='{}[]:,"\\\\ut01-.eE \ntrufalsn', max_size=12))
def test_every_text_is_json_or_said_to_be_none(text: str) -> None:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        with pytest.raises(JsonTextError):
            json_text.loads(text.encode())
        # Whoever asks why gets an answer that is not about another text.
        assert json_text.why_not(text).startswith(("invalid character", "unexpected end"))
    else:
        assert json_text.loads(text.encode()) == value
