"""The apiextensions.k8s.io group: what a CustomResourceDefinition must be, its structural schema aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.validation.checks import Errors, immutable, indexed, one_of, required, text
from machinery.errors import FieldError
from machinery.objects import meta
from machinery.objects.names import is_dns_1035_label, is_dns_subdomain

Object = dict[str, Any]

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("", "binary", "bool", "byte", "date", "date-time", "double", "float", "int32", "int64", "password")


def definition(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    names, group = spec.get("names") or {}, spec.get("group") or ""
    errors: Errors = []
    if meta.name(obj) != f"{names.get('plural') or ''}.{group}":
        errors.append(FieldError.invalid("metadata.name", meta.name(obj), 'must be spec.names.plural+"."+spec.group'))
    errors += required("spec.group", group, is_dns_subdomain)
    if group and "." not in group:
        errors.append(FieldError.invalid("spec.group", group, "should be a domain with at least one dot"))
    errors += one_of("spec.scope", spec.get("scope"), ("Cluster", "Namespaced"))
    errors += _names(names)
    errors += _versions(spec.get("versions") or [])
    conversion = spec.get("conversion") or {}
    errors += one_of("spec.conversion.strategy", conversion.get("strategy"), ("None", "Webhook"))
    if conversion.get("strategy") == "Webhook":
        if not (conversion.get("webhook") or {}).get("clientConfig"):
            errors.append(
                FieldError.required("spec.conversion.webhook.clientConfig", "required when strategy is set to Webhook")
            )
    elif conversion.get("webhook") is not None:
        errors.append(
            FieldError.forbidden("spec.conversion.webhook", "should not be set when strategy is not set to Webhook")
        )
    return errors


def definition_update(obj: Object, old: Object) -> Errors:
    """What clients build upon stays while the resource is established."""
    established = any(
        each.get("type") == "Established" and each.get("status") == "True"
        for each in (old.get("status") or {}).get("conditions") or []
    )
    spec, before = obj["spec"], old["spec"]
    errors = immutable("spec.group", spec.get("group"), before.get("group"))
    if established:
        errors += immutable("spec.scope", spec.get("scope"), before.get("scope"))
        errors += immutable("spec.names.kind", spec["names"].get("kind"), before["names"].get("kind"))
        errors += immutable("spec.names.plural", spec["names"].get("plural"), before["names"].get("plural"))
    served = {version.get("name") for version in spec.get("versions") or []}
    for stored in (old.get("status") or {}).get("storedVersions") or []:
        if stored not in served:
            errors.append(FieldError.invalid("status.storedVersions", stored, "must appear in spec.versions"))
    return errors


def _names(names: Mapping[str, Any]) -> Errors:
    errors: Errors = []
    for key in ("plural", "singular", "kind", "listKind"):
        errors += required(f"spec.names.{key}", names.get(key), lambda value: is_dns_1035_label(value.lower()))
    for key in ("shortNames", "categories"):
        for at, value in indexed(f"spec.names.{key}", names.get(key)):
            errors += text(at, value, is_dns_1035_label)
    if names.get("kind") and names["kind"] == names.get("listKind"):
        errors.append(
            FieldError.invalid("spec.names.listKind", names["listKind"], "kind and listKind may not be the same")
        )
    return errors


def _versions(versions: list[Object]) -> Errors:
    errors: Errors = []
    if not versions:
        errors.append(
            FieldError.invalid("spec.versions", [], "must have exactly one version marked as storage version")
        )
        return errors
    seen: set[str] = set()
    for at, version in indexed("spec.versions", versions):
        name = version.get("name") or ""
        if name in seen:
            errors.append(
                FieldError.invalid(
                    "spec.versions", [each.get("name") for each in versions], "must contain unique version names"
                )
            )
        seen.add(name)
        errors += text(f"{at}.name", name, is_dns_1035_label)
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema and schema.get("type") not in (None, "", "object"):
            at_root = f"{at}.schema.openAPIV3Schema.type"
            errors.append(FieldError.invalid(at_root, schema["type"], "must be object at the root"))
        for column_at, column in indexed(f"{at}.additionalPrinterColumns", version.get("additionalPrinterColumns")):
            errors += required(f"{column_at}.name", column.get("name"))
            errors += one_of(f"{column_at}.type", column.get("type"), _COLUMN_TYPES)
            errors += one_of(f"{column_at}.format", column.get("format"), _COLUMN_FORMATS, optional=True)
            if not (column.get("jsonPath") or "").startswith("."):
                errors.append(
                    FieldError.invalid(
                        f"{column_at}.jsonPath",
                        column.get("jsonPath") or "",
                        "must be a simple json path starting with .",
                    )
                )
        scale = (version.get("subresources") or {}).get("scale")
        if scale is not None:
            errors += _scale(f"{at}.subresources.scale", scale)
    if sum(bool(version.get("storage")) for version in versions) != 1:
        names = [version.get("name") for version in versions]
        errors.append(
            FieldError.invalid("spec.versions", names, "must have exactly one version marked as storage version")
        )
    return errors


def _scale(path: str, scale: Mapping[str, Any]) -> Errors:
    errors: Errors = []
    for key, under in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        value = scale.get(key)
        if not value:
            errors.append(FieldError.required(f"{path}.{key}"))
        elif not value.startswith(under):
            errors.append(FieldError.invalid(f"{path}.{key}", value, f"should be a json path under {under[:-1]}"))
    selector = scale.get("labelSelectorPath")
    if selector and not selector.startswith((".spec.", ".status.")):
        errors.append(
            FieldError.invalid(
                f"{path}.labelSelectorPath", selector, "should be a json path under either .spec or .status"
            )
        )
    return errors
