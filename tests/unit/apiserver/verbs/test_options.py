from __future__ import annotations

import pytest

from apiserver.verbs.logs import container_of, parse
from apiserver.verbs.options import ListOptions, WatchOptions, check_list, check_watch, parse_version
from machinery.errors import BadRequest, Invalid


@pytest.mark.parametrize(
    "options",
    [
        ListOptions(),
        ListOptions(resource_version="5", resource_version_match="Exact"),
        ListOptions(resource_version="0", resource_version_match="NotOlderThan"),
        ListOptions(continue_token="x", limit=5),
    ],
)
def test_good_list_options(options: ListOptions) -> None:
    check_list(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (WatchOptions(send_initial_events=True), "sendInitialEvents requires setting resourceVersionMatch"),
        (WatchOptions(resource_version_match="NotOlderThan"), "is forbidden for watch unless sendInitialEvents"),
        (WatchOptions(send_initial_events=True, resource_version_match="Exact"), 'Unsupported value: "Exact"'),
    ],
)
def test_bad_watch_options(options: WatchOptions, message: str) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        check_watch(options)
    assert caught.value.message.startswith('ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: ')


def test_versions() -> None:
    assert (parse_version(""), parse_version("0"), parse_version("12")) == (0, 0, 12)
    for bad in ("x", "-1", "1.5", "１"):
        with pytest.raises(BadRequest, match="resourceVersion: Invalid value"):
            parse_version(bad)


POD = {
    "metadata": {"name": "p"},
    "spec": {
        "containers": [{"name": "a"}, {"name": "b"}],
        "initContainers": [{"name": "i"}],
        "ephemeralContainers": [{"name": "e"}],
    },
}


@pytest.mark.parametrize("name", ["a", "b", "i", "e"])
def test_any_container_may_be_named(name: str) -> None:
    assert container_of(POD, name) == name


def test_which_container() -> None:
    with pytest.raises(BadRequest) as caught:
        container_of(POD, "")
    assert caught.value.message == (
        "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i] "
        "or one of the ephemeral containers: [e]"
    )
    marked = {**POD, "metadata": {"name": "p", "annotations": {"kubectl.kubernetes.io/default-container": "b"}}}
    assert container_of(marked, "") == "b"
    assert container_of({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "only"}]}}, "") == "only"


def test_log_options() -> None:
    parsed = parse({"follow": "true", "tailLines": "5", "previous": "false", "container": "c", "other": "x"})
    assert parsed == {"follow": True, "tailLines": 5, "previous": False, "container": "c"}
    with pytest.raises(BadRequest, match=r'follow: strconv\.ParseBool: parsing "maybe"'):
        parse({"follow": "maybe"})
    with pytest.raises(Invalid, match="at most one of `sinceTime` or `sinceSeconds` may be specified"):
        parse({"sinceSeconds": "5", "sinceTime": "2026-01-01T00:00:00Z"})
    with pytest.raises(Invalid, match="limitBytes: Invalid value: 0: must be greater than 0"):
        parse({"limitBytes": "0"})
