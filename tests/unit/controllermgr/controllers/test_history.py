"""ControllerRevisions: what they hold, which may go."""

from __future__ import annotations

from typing import Any

from controllermgr.controllers import history

OWNER: dict[str, Any] = {
    "apiVersion": "apps/v1", "kind": "DaemonSet",
    "metadata": {"name": "d", "namespace": "n", "uid": "u", "annotations": {"kubernetes.io/change-cause": "first"}},
    "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}},
}  # fmt: skip


def test_revision_holds_a_patch_that_puts_the_template_back() -> None:
    revision = history.build(OWNER, 3, None, label="hash")
    assert revision["data"]["spec"]["template"]["$patch"] == "replace"
    assert history.template_of(revision) == OWNER["spec"]["template"]
    assert revision["revision"] == 3
    metadata = revision["metadata"]
    assert metadata["name"] == f"d-{metadata['labels']['hash']}"
    assert metadata["labels"]["a"] == "b"
    assert metadata["annotations"] == {"kubernetes.io/change-cause": "first"}
    assert metadata["ownerReferences"][0]["uid"] == "u"


def test_collisions_change_the_name_only() -> None:
    one, other = (history.build(OWNER, 1, count, label="hash") for count in (None, 1))
    assert one["metadata"]["name"] != other["metadata"]["name"]
    assert one["data"] == other["data"]


def test_oldest_unused_revisions_go_first() -> None:
    revisions = history.sort({"metadata": {"name": f"r{number}"}, "revision": number} for number in (10, 2, 1, 3))
    assert [history.number(each) for each in revisions] == [1, 2, 3, 10]
    assert [each["metadata"]["name"] for each in history.surplus(revisions, {"r1"}, 1)] == ["r2", "r3"]
    assert history.surplus(revisions, set(), 10) == []
