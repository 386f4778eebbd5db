"""kubectl's documented JSONPath examples, and the corners people hit."""

from __future__ import annotations

from typing import Any

import pytest

from cli.output import jsonpath

LIST: dict[str, Any] = {
    "kind": "List",
    "items": [
        {
            "kind": "None",
            "metadata": {"name": "127.0.0.1", "labels": {"kubernetes.io/hostname": "127.0.0.1"}},
            "status": {
                "capacity": {"cpu": "4"},
                "conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}],
            },
        },
        {"kind": "None", "metadata": {"name": "127.0.0.2"}, "status": {"capacity": {"cpu": "8"}, "conditions": []}},
    ],
    "users": [
        {"name": "myself", "user": {}},
        {"name": "e2e", "user": {"username": "admin", "password": "secret"}, "age": 4, "on": True},
    ],
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{.kind}", "List"),
        ("{['kind']}", "List"),
        ("kind is {.kind}", "kind is List"),
        ("{..name}", "127.0.0.1 127.0.0.2 myself e2e"),
        ("{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"),
        ("{.users[0].name}", "myself"),
        ("{.users[-1].name}", "e2e"),
        ("{.users[-1:].name}", "e2e"),
        ("{.users[0:2].name}", "myself e2e"),
        ("{.items[*]['metadata.name', 'status.capacity.cpu']}", "127.0.0.1 127.0.0.2 4 8"),
        ("{.items[0]['kind','metadata'].name}", "127.0.0.1"),
        ('{.users[?(@.name=="e2e")].user.password}', "secret"),
        ("{.users[?(@.age>3)].name}", "e2e"),
        ("{.users[?(@.on==true)].name}", "e2e"),
        ("{.users[?(@.user.username)].name}", "e2e"),
        (
            "{range .items[*]}[{.metadata.name}, {.status.capacity}] {end}",
            '[127.0.0.1, {"cpu":"4"}] [127.0.0.2, {"cpu":"8"}] ',
        ),
        ('{range .items[*]}{.metadata.name}{"\\t"}{end}', "127.0.0.1\t127.0.0.2\t"),
        (r"{.items[0].metadata.labels.kubernetes\.io/hostname}", "127.0.0.1"),
        ('{.items[0].status.conditions[?(@.type=="Ready")].status}', "True"),
        ("{.users[1].age}", "4"),
        ("{.users[1].on}", "true"),
        ("{.users[0].user}", "{}"),
        ("{@.kind}", "List"),
        ("{$.kind}", "List"),
        ("{.missing}", ""),
    ],
)
def test_renders(template: str, expected: str) -> None:
    assert jsonpath.parse(template).render(LIST) == expected


def test_missing_field_is_an_error_when_not_allowed() -> None:
    with pytest.raises(jsonpath.JsonPathError, match="missing is not found"):
        jsonpath.parse("{.missing}", allow_missing=False).render(LIST)


@pytest.mark.parametrize("template", ["{.items[*}", "{range .items[*]}", "{end}", "{.users[}", "{.a b}", '{"x}'])
def test_bad_templates_say_so(template: str) -> None:
    with pytest.raises(jsonpath.JsonPathError):
        jsonpath.parse(template)


@pytest.mark.parametrize(
    ("typed", "path"),
    [("metadata.name", "{.metadata.name}"), (".metadata.name", "{.metadata.name}"), ("{.a[0]}", "{.a[0]}")],
)
def test_relaxed_forms(typed: str, path: str) -> None:
    assert jsonpath.relaxed(typed) == path
