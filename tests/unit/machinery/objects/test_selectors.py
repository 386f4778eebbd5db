"""Label selectors: grammar, matching, errors in upstream's words."""

from __future__ import annotations

import pytest

from machinery.objects import selectors
from machinery.objects.selectors import EVERYTHING, NOTHING, SelectorError, from_label_selector, parse

WEB = {"app": "web", "tier": "a", "n": "5"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True), ("app=web", True), ("app==web", True), ("app!=web", False), ("app=db", False), ("app", True),
        ("!app", False), ("!old", True), ("old!=x", True), ("old=", False), ("tier in (a, b)", True),
        ("tier notin (a,b)", False), ("old notin (a)", True), ("tier in ()", False), ("n>4,n<6", True), ("n>5", False),
        ("app>1", False), ("app=web,tier=b", False), (" app = web , tier = a ", True), ("in=in", False),
    ],
)  # fmt: skip
def test_matches(text: str, matches: bool) -> None:
    assert parse(text).matches(WEB) is matches


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("b=2,a=1", "a=1,b=2"), ("x in (foo,,baz),y,z notin ()", "x in (,baz,foo),y,z notin ()"), ("!a", "!a"),
        ("in=notin", "in=notin"), ("x in (in)", "x in (in)"), ("a>3", "a>3"), ("a==b", "a==b"), ("k=", "k="),
    ],
)  # fmt: skip
def test_text_reads_back_sorted(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("=", "found '=', expected: !, identifier, or 'end of string'"),
        ("a==b=c", "found '=', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
    ],
)
def test_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_refuses_bad_keys_and_values() -> None:
    with pytest.raises(SelectorError, match='Invalid value: "-a": name part must consist of alphanumeric characters'):
        parse("-a=b")
    with pytest.raises(SelectorError, match=r"values\[0\]\[a\]: Invalid value: \"-\": a valid label must be an empty"):
        parse("a=-")


def test_null_label_selector_selects_nothing_and_empty_one_everything() -> None:
    assert from_label_selector(None) == NOTHING
    assert from_label_selector({}) == EVERYTHING
    assert not NOTHING.matches({})
    assert EVERYTHING.matches({})


def test_label_selector_object() -> None:
    selector = from_label_selector(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["b", "a"]},
                {"key": "old", "operator": "DoesNotExist"},
            ],
        }
    )
    assert selector.matches(WEB)
    assert not selector.matches({**WEB, "old": ""})
    assert str(selector) == "app=web,!old,tier in (a,b)"


def test_label_selector_object_refuses() -> None:
    with pytest.raises(SelectorError, match='"Foo" is not a valid label selector operator'):
        from_label_selector({"matchExpressions": [{"key": "a", "operator": "Foo"}]})
    with pytest.raises(SelectorError, match="values set can't be empty"):
        from_label_selector({"matchExpressions": [{"key": "a", "operator": "In"}]})
    with pytest.raises(SelectorError, match="values set must be empty for exists"):
        from_label_selector({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]})


def test_node_expressions_know_gt_and_lt() -> None:
    assert selectors.from_node_expressions([{"key": "n", "operator": "Gt", "values": ["4"]}]).matches(WEB)
    assert not selectors.from_node_expressions([{"key": "n", "operator": "Lt", "values": ["5"]}]).matches(WEB)


def test_exact_value_of_a_label() -> None:
    assert parse("app=web,tier in (a,b)").exact("app") == "web"
    assert parse("app=web,tier in (a,b)").exact("tier") is None
    assert parse("app!=web").exact("app") is None
