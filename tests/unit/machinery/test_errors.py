"""Answers other than success: what they say and how they travel."""

from __future__ import annotations

import pytest

from machinery import errors
from machinery.errors import FieldError
from machinery.objects.gvk import GVK, GVR

DEPLOYMENTS = GVR("apps", "v1", "deployments")
PODS = GVR("", "v1", "pods")


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        (FieldError.required("spec.a"), "FieldValueRequired", "spec.a: Required value"),
        (FieldError.required("spec.a", "why"), "FieldValueRequired", "spec.a: Required value: why"),
        (
            FieldError.invalid("a", -1, "must be positive"),
            "FieldValueInvalid",
            "a: Invalid value: -1: must be positive",
        ),
        (FieldError.invalid("a", "x", "bad"), "FieldValueInvalid", 'a: Invalid value: "x": bad'),
        (FieldError.invalid("a", None, "bad"), "FieldValueInvalid", "a: Invalid value: null: bad"),
        (FieldError.invalid("a", {"b": 1}, "bad"), "FieldValueInvalid", 'a: Invalid value: {"b":1}: bad'),
        (
            FieldError.not_supported("a", "x", ["b", "c"]),
            "FieldValueNotSupported",
            'a: Unsupported value: "x": supported values: "b", "c"',
        ),
        (FieldError.duplicate("a[1]", "x"), "FieldValueDuplicate", 'a[1]: Duplicate value: "x"'),
        (FieldError.forbidden("a", "not now"), "FieldValueForbidden", "a: Forbidden: not now"),
        (FieldError.not_found("a", "x"), "FieldValueNotFound", 'a: Not found: "x"'),
        (FieldError.too_long("a", 5), "FieldValueTooLong", "a: Too long: may not be more than 5 bytes"),
        (FieldError.too_many("a", 3, 2), "FieldValueTooMany", "a: Too many: 3: must have at most 2 items"),
    ],
)
def test_field_errors(error: FieldError, reason: str, text: str) -> None:
    assert (error.reason, str(error)) == (reason, text)


def test_invalid_lists_every_field_once() -> None:
    wrong = FieldError.invalid("spec.replicas", -1, "must be greater than or equal to 0")
    error = errors.invalid(GVK("apps", "v1", "Deployment"), "x", [wrong])
    said = 'Deployment.apps "x" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    assert error.message == said
    assert error.status()["details"] == {
        "name": "x", "group": "apps", "kind": "Deployment",
        "causes": [
            {"reason": "FieldValueInvalid", "message": "Invalid value: -1: must be greater than or equal to 0",
             "field": "spec.replicas"}
        ],
    }  # fmt: skip
    two = errors.invalid(GVK("", "v1", "Pod"), "x", [wrong, wrong, FieldError.required("spec.b")])
    assert two.message.startswith('Pod "x" is invalid: [spec.replicas: ') and two.message.endswith(
        ", spec.b: Required value]"
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.not_found(PODS, "x"), errors.already_exists(DEPLOYMENTS, "x"), errors.conflict(PODS, "x", errors.STALE),
        errors.forbidden(PODS, "x", "no"), errors.expired(1, 2), errors.unauthorized(), errors.request_too_large(9),
        errors.too_many_requests("slow down"), errors.method_not_supported(PODS, "patch"), errors.no_such_resource(),
        errors.undecodable(GVK("", "v1", "Pod"), "x"), errors.too_large_version(9, 3),
        errors.invalid(GVK("", "v1", "Pod"), "x", []), errors.ServiceUnavailable("x"),
        errors.NotImplementedByServer("x"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_status_reads_back_as_the_same_error(error: errors.ApiError) -> None:
    again = errors.from_status(error.status())
    assert type(again) is type(error)
    assert again.status() == error.status()


def test_status_without_a_reason_is_known_by_its_code() -> None:
    assert type(errors.from_status({"code": 404, "message": "x"})) is errors.NotFound
    assert type(errors.from_status({"code": 409})) is errors.Conflict
    assert errors.from_status({"code": 418}).code == 418


def test_apply_conflict_groups_by_manager() -> None:
    one = errors.apply_conflict([('"a"', ".spec.x")])
    assert one.message == 'Apply failed with 1 conflict: conflict with "a": .spec.x'
    many = errors.apply_conflict([('"b"', ".y"), ('"a"', ".x"), ('"b"', ".z")])
    assert many.message == 'Apply failed with 3 conflicts: conflicts with "a":\n- .x\nconflicts with "b":\n- .y\n- .z'
    assert many.details["causes"][0] == {
        "reason": "FieldManagerConflict", "message": 'conflict with "b"', "field": ".y",
    }  # fmt: skip
