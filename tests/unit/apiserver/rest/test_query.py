"""Query parameters -> options, and what is refused."""

from __future__ import annotations

import pytest

from apiserver.rest import query
from apiserver.verbs.options import ListOptions, WatchOptions
from machinery.errors import BadRequest, Invalid


def test_list_options() -> None:
    params = query.parse("labelSelector=a%3Db%2Cc&fieldSelector=metadata.name%3Dx&limit=500&continue=abc")
    assert query.list_options(params) == ListOptions("a=b,c", "metadata.name=x", "", "", 500, "abc")
    assert query.list_options(query.parse("")) == ListOptions()


def test_watch_options() -> None:
    params = query.parse("watch=1&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=30&sendInitialEvents=false")
    expected = WatchOptions("", "", "7", "", allow_bookmarks=True, send_initial_events=False, timeout_seconds=30)
    assert query.watch_options(params) == expected
    assert query.watch_options(query.parse("fieldSelector=a%3Db"), name="x").field_selector == "a=b,metadata.name=x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("watch", True),
        ("watch=", True),
        ("watch=1", True),
        ("watch=true", True),
        ("watch=yes", True),
        ("", False),
        ("watch=0", False),
        ("watch=False", False),
    ],
)
def test_boolean(text: str, expected: bool) -> None:
    assert query.boolean(query.parse(text), "watch") is expected


def test_integer_in_the_words_of_go() -> None:
    with pytest.raises(BadRequest) as caught:
        query.list_options(query.parse("limit=many"))
    assert caught.value.message == 'strconv.ParseInt: parsing "many": invalid syntax'


@pytest.mark.parametrize(
    ("text", "verb", "apply", "message"),
    [
        (
            "dryRun=Some",
            "create",
            False,
            'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "Some": supported values: "All"',
        ),
        (
            "fieldValidation=Maybe",
            "update",
            False,
            (
                'UpdateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Maybe": '
                'supported values: "", "Ignore", "Strict", "Warn"'
            ),
        ),
        (
            "",
            "patch",
            True,
            ('PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'),
        ),
        (
            "force=true",
            "patch",
            False,
            ('PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'),
        ),
        (
            "fieldManager=" + "x" * 129,
            "create",
            False,
            'CreateOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes',
        ),
    ],
)
def test_writes_that_are_refused(text: str, verb: str, apply: bool, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        query.check_write(query.parse(text), verb, apply=apply)
    assert caught.value.message == message


def test_writes_that_pass() -> None:
    query.check_write(
        query.parse("dryRun=All&fieldManager=kubectl&fieldValidation=Strict&force=true"), "patch", apply=True
    )


def test_field_manager_comes_from_the_user_agent() -> None:
    assert query.field_manager(query.parse(""), "kubectl/v1.33 (linux)") == "kubectl"
    assert query.field_manager(query.parse("fieldManager=me"), "kubectl/v1.33") == "me"


def test_delete_options() -> None:
    params = query.parse("gracePeriodSeconds=0&propagationPolicy=Foreground&dryRun=All")
    assert query.delete_options(params) == {
        "gracePeriodSeconds": 0, "propagationPolicy": "Foreground", "dryRun": ["All"],
    }  # fmt: skip
    with pytest.raises(Invalid, match="cannot be both set"):
        query.check_delete({"orphanDependents": True, "propagationPolicy": "Orphan"})
    with pytest.raises(Invalid, match='Unsupported value: "Sideways"'):
        query.check_delete({"propagationPolicy": "Sideways"})
