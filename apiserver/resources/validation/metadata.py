"""ObjectMeta: the rules that hold for every kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.resources.validation.checks import Errors, immutable, indexed, labels, required, text
from machinery.errors import FieldError
from machinery.objects.names import as_prefix, is_dns_label, is_label_key

Object = dict[str, Any]

ANNOTATION_BYTES = 256 * 1024
"""How large all annotations of an object may be together."""
_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_UNQUALIFIED = "name is neither a standard finalizer name nor is it fully qualified"
_FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def create(obj: Object, *, namespaced: bool, name_problems: Callable[[str], list[str]]) -> Errors:
    """The metadata of a new object. name_problems: the kind's rule for names (`Strategy.name_problems`)."""
    metadata = obj.get("metadata") or {}
    errors: Errors = []
    if prefix := metadata.get("generateName"):
        errors += text("metadata.generateName", prefix, as_prefix(name_problems))
    if not metadata.get("name"):
        errors.append(FieldError.required("metadata.name", "name or generateName is required"))
    else:
        errors += text("metadata.name", metadata["name"], name_problems)
    namespace = metadata.get("namespace") or ""
    if namespaced:
        errors += required("metadata.namespace", namespace, is_dns_label)
    elif namespace:
        errors.append(FieldError.forbidden("metadata.namespace", "not allowed on this type"))
    return errors + _changeable(metadata)


def update(obj: Object, old: Object) -> Errors:
    """The metadata of a changed object: its own rules, and what stays as it was."""
    metadata, before = obj.get("metadata") or {}, old.get("metadata") or {}
    errors: Errors = []
    for key in _FIXED:
        errors += immutable(f"metadata.{key}", metadata.get(key), before.get(key))
    if before.get("deletionTimestamp"):
        added = [each for each in metadata.get("finalizers") or [] if each not in (before.get("finalizers") or [])]
        if added:
            listed = ", ".join(f'"{each}"' for each in added)
            errors.append(
                FieldError.forbidden(
                    "metadata.finalizers",
                    "no new finalizers can be added if the object is being deleted, "
                    f"found new finalizers []string{{{listed}}}",
                )
            )
    return errors + _changeable(metadata)


def _changeable(metadata: Mapping[str, Any]) -> Errors:
    errors = labels("metadata.labels", metadata.get("labels"))
    errors += annotation_map("metadata.annotations", metadata.get("annotations"))
    errors += _owners("metadata.ownerReferences", metadata.get("ownerReferences") or [])
    finalizers = metadata.get("finalizers") or []
    for finalizer in finalizers:
        errors += text("metadata.finalizers", finalizer, is_finalizer)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        errors.append(
            FieldError.invalid(
                "metadata.finalizers", finalizers, "finalizer orphan and foregroundDeletion cannot be both set"
            )
        )
    return errors


def annotation_map(path: str, values: Mapping[str, str] | None) -> Errors:
    """Annotations: keys like labels' (in any case), values of any kind, and a limit for all of them together."""
    errors: Errors = []
    size = 0
    for key, value in (values or {}).items():
        errors += [FieldError.invalid(path, key, problem) for problem in is_label_key(key.lower())]
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATION_BYTES:
        errors.append(FieldError.too_long(path, ANNOTATION_BYTES))
    return errors


def is_finalizer(value: str) -> list[str]:
    """What is wrong with a finalizer: it has a domain, unless it is one of the server's own."""
    problems = is_label_key(value)
    if not problems and "/" not in value and value not in _STANDARD_FINALIZERS:
        problems = [_UNQUALIFIED]
    return problems


def _owners(path: str, references: list[Object]) -> Errors:
    errors: Errors = []
    controller = ""
    for at, reference in indexed(path, references):
        api_version = reference.get("apiVersion") or ""
        if not api_version.rpartition("/")[2]:
            errors.append(FieldError.invalid(f"{at}.apiVersion", api_version, "version must not be empty"))
        for key in ("kind", "name", "uid"):
            if not reference.get(key):
                errors.append(FieldError.invalid(f"{at}.{key}", "", "must not be empty"))
        if api_version == "v1" and reference.get("kind") == "Event":
            errors.append(FieldError.invalid(at, reference, "/v1, Kind=Event is disallowed from being an owner"))
        if reference.get("controller"):
            if controller:
                errors.append(
                    FieldError.invalid(
                        path,
                        references,
                        "Only one reference can have Controller set to true. "
                        f'Found "true" in references for {controller} and {reference.get("name")}',
                    )
                )
            controller = str(reference.get("name"))
    return errors
