"""What becomes of events: counting, combining, and an end to chatter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from machinery.controller.recorder import SPAM_BURST, Correlator, Happened, Post, Raise, reference

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"namespace": "ns", "name": "p", "uid": "u", "resourceVersion": "7"},
}


def happened(message: str, *, reason: str = "Pulled", component: str = "kubelet") -> Happened:
    return Happened(reference(POD), "Normal", reason, message, component, "node-1")


def test_the_first_is_written_whole() -> None:
    post = Correlator().correlate(happened("got it"), NOW)
    assert isinstance(post, Post)
    event = post.event
    assert event["metadata"]["namespace"] == "ns"
    assert event["metadata"]["name"].startswith("p.")
    assert event["involvedObject"] == {
        "kind": "Pod",
        "namespace": "ns",
        "name": "p",
        "uid": "u",
        "apiVersion": "v1",
        "resourceVersion": "7",
    }
    assert (event["count"], event["type"], event["reason"], event["message"]) == (1, "Normal", "Pulled", "got it")
    assert event["source"] == {"component": "kubelet", "host": "node-1"}
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T00:00:00Z"


def test_the_same_again_raises_the_count() -> None:
    correlator = Correlator()
    first = correlator.correlate(happened("got it"), NOW)
    again = correlator.correlate(happened("got it"), NOW + timedelta(seconds=5))
    assert isinstance(first, Post)
    assert isinstance(again, Raise)
    assert again.name == first.event["metadata"]["name"]
    assert again.patch == {"count": 2, "lastTimestamp": "2026-01-01T00:00:05Z", "message": "got it"}
    assert again.otherwise.event["firstTimestamp"] == "2026-01-01T00:00:00Z"


def test_one_that_could_not_be_written_is_a_first_one_again() -> None:
    correlator = Correlator()
    first = correlator.correlate(happened("got it"), NOW)
    assert isinstance(first, Post)
    correlator.forget(first.key)
    assert isinstance(correlator.correlate(happened("got it"), NOW), Post)


def test_many_alike_are_combined() -> None:
    correlator = Correlator()
    found = [correlator.correlate(happened(f"created {number}"), NOW) for number in range(12)]
    assert all(isinstance(each, Post) for each in found[:10])
    assert isinstance(found[9], Post)
    assert found[9].event["message"] == "(combined from similar events): created 9"
    assert isinstance(found[10], Raise)
    assert found[10].patch["message"] == "(combined from similar events): created 10"
    assert found[10].patch["count"] == 2


def test_after_ten_quiet_minutes_they_stand_alone_again() -> None:
    correlator = Correlator()
    for number in range(12):
        correlator.correlate(happened(f"created {number}"), NOW)
    later = correlator.correlate(happened("created 99"), NOW + timedelta(minutes=11))
    assert isinstance(later, Post)
    assert later.event["message"] == "created 99"


@pytest.mark.parametrize(
    ("minutes", "more"),
    [
        pytest.param(0, 0, id="at once none"),
        pytest.param(5, 1, id="one after five minutes"),
        pytest.param(25, 5, id="five after twenty-five"),
    ],
)
def test_an_object_may_say_so_much(minutes: int, more: int) -> None:
    correlator = Correlator()
    said = [correlator.correlate(happened("x", reason=f"R{number}"), NOW) for number in range(SPAM_BURST + 10)]
    assert sum(each is not None for each in said) == SPAM_BURST
    later = NOW + timedelta(minutes=minutes)
    said = [correlator.correlate(happened("x", reason=f"S{number}"), later) for number in range(10)]
    assert sum(each is not None for each in said) == more
    other = correlator.correlate(happened("x", component="scheduler"), NOW)
    assert other is not None, "another source has its own allowance"


def test_cluster_scoped_objects_have_their_events_in_default() -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "uid": "u"}}
    post = Correlator().correlate(Happened(reference(node), "Normal", "Starting", "", "kubelet"), NOW)
    assert isinstance(post, Post)
    assert post.event["metadata"]["namespace"] == "default"
    assert "namespace" not in post.event["involvedObject"]
