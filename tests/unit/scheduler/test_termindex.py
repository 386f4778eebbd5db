"""The index finds every term that selects, whatever the shape of its selector."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from machinery.objects.selectors import parse
from scheduler.termindex import TermIndex

LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"))
REQUIREMENTS = st.sampled_from(["a=x", "b=y", "c", "!a", "a in (x,y)", "b notin (x)", "c!=y", "b in (x)"])
SELECTORS = st.lists(REQUIREMENTS, max_size=3).map(",".join)


@given(texts=st.lists(SELECTORS, unique=True), gone=st.sets(st.integers(0, 9)), labels=LABELS)
def test_no_match_is_missed_and_nothing_forgotten_is_found(
    texts: list[str], gone: set[int], labels: dict[str, str]
) -> None:
    index: TermIndex[str] = TermIndex()
    for text in texts:
        index.add(text, parse(text))
    removed = {text for number, text in enumerate(texts) if number in gone}
    for text in removed:
        index.discard(text, parse(text))
    candidates = list(index.candidates(labels))
    assert len(candidates) == len(set(candidates))
    assert {text for text in texts if text not in removed and parse(text).matches(labels)} <= set(candidates)
    assert not removed & set(candidates)
