"""What a rule grants, and what rules cover."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.auth.rules import compile_rule, describe, missing


def rule(verbs: str, groups: str, resources: str, names: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"verbs": verbs.split(), "apiGroups": ["" if g == "core" else g for g in groups.split()],
                            "resources": resources.split()}  # fmt: skip
    return {**made, "resourceNames": names.split()} if names else made


@pytest.mark.parametrize(
    ("granted", "asked", "allowed"),
    [
        (rule("get", "core", "pods"), ("get", "", "pods", "", "x"), True),
        (rule("get", "core", "pods"), ("list", "", "pods", "", ""), False),
        (rule("get", "core", "pods"), ("get", "apps", "pods", "", "x"), False),
        (rule("get", "core", "pods"), ("get", "", "pods", "log", "x"), False),
        (rule("get", "core", "pods/log"), ("get", "", "pods", "log", "x"), True),
        (rule("get", "core", "*/log"), ("get", "", "pods", "log", "x"), True),
        (rule("get", "core", "*/log"), ("get", "", "pods", "", "x"), False),
        (rule("get", "core", "*"), ("get", "", "pods", "log", "x"), True),
        (rule("*", "*", "*"), ("explode", "any", "thing", "", ""), True),
        (rule("get", "core", "secrets", "a b"), ("get", "", "secrets", "", "b"), True),
        (rule("get", "core", "secrets", "a b"), ("get", "", "secrets", "", "c"), False),
        (rule("list", "core", "secrets", "a"), ("list", "", "secrets", "", ""), False),
    ],
)
def test_resources(granted: dict[str, Any], asked: tuple[str, str, str, str, str], allowed: bool) -> None:
    assert compile_rule(granted).allows_resource(*asked) is allowed


@pytest.mark.parametrize(
    ("paths", "path", "allowed"),
    [
        (["/version"], "/version", True),
        (["/version"], "/version/", False),
        (["/apis/*"], "/apis/apps/v1", True),
        (["/apis/*"], "/apis", False),
        (["*"], "/anything", True),
        (["/healthz", "/livez"], "/livez", True),
    ],
)
def test_paths(paths: list[str], path: str, allowed: bool) -> None:
    compiled = compile_rule({"verbs": ["get"], "nonResourceURLs": paths})
    assert compiled.allows_path("get", path) is allowed
    assert not compiled.allows_path("post", path)


@pytest.mark.parametrize(
    ("held", "wanted", "lacking"),
    [
        ([rule("*", "*", "*")], [rule("get", "apps", "deployments/scale")], []),
        ([rule("get list", "core", "pods")], [rule("get", "core", "pods")], []),
        ([rule("get", "core", "pods"), rule("list", "core", "pods")], [rule("get list", "core", "pods")], []),
        ([rule("get", "core", "pods")], [rule("get list", "core", "pods")], [rule("list", "core", "pods")]),
        ([rule("get", "core", "pods", "a")], [rule("get", "core", "pods")], [rule("get", "core", "pods")]),
        ([rule("get", "core", "pods")], [rule("get", "core", "pods", "a")], []),
        ([rule("get", "core", "*/scale")], [rule("get", "core", "pods/scale")], []),
        ([rule("get", "core", "pods")], [rule("get", "*", "pods")], [rule("get", "*", "pods")]),
        ([rule("get", "core", "pods")], [rule("*", "core", "pods")], [rule("*", "core", "pods")]),
        ([], [rule("b a", "core", "pods")], [rule("a b", "core", "pods")]),
    ],
)
def test_covering(held: list[dict[str, Any]], wanted: list[dict[str, Any]], lacking: list[dict[str, Any]]) -> None:
    assert missing([compile_rule(each) for each in held], wanted) == lacking


def test_covering_paths() -> None:
    held = [compile_rule({"verbs": ["get"], "nonResourceURLs": ["/apis/*"]})]
    wanted = {"verbs": ["get"], "nonResourceURLs": ["/apis/apps", "/metrics"]}
    assert missing(held, [wanted]) == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]


def test_rules_are_described_as_upstream_prints_them() -> None:
    assert describe(rule("get list", "core apps", "pods", "a")) == (
        '{APIGroups:["" "apps"], Resources:["pods"], ResourceNames:["a"], Verbs:["get" "list"]}'
    )
