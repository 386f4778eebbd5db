"""The apiextensions.k8s.io group: what a CustomResourceDefinition must be, its structural schema aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from apiserver.resources.validation.checks import Errors, immutable, indexed, one_of, required, text
from machinery.errors import FieldError
from machinery.objects import meta
from machinery.objects.names import is_dns_1035_label, is_dns_subdomain

Object = dict[str, Any]

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_COMMUNITY = (".k8s.io", ".kubernetes.io")
_APPROVED = "api-approved.kubernetes.io"
_APPROVAL_RULES = "https://github.com/kubernetes/enhancements/pull/1111"


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
    errors: Errors = []
    if established:
        errors += immutable("spec.scope", spec.get("scope"), before.get("scope"))
        errors += immutable("spec.names.kind", spec["names"].get("kind"), before["names"].get("kind"))
    errors += immutable("spec.group", spec.get("group"), before.get("group"))
    errors += immutable("spec.names.plural", spec["names"].get("plural"), before["names"].get("plural"))
    errors += _stored_versions(obj)
    if not before.get("preserveUnknownFields"):
        errors += _preserved(spec)
    if not _approval(old):
        errors += _approval(obj)
    return errors


def definition_create(obj: Object) -> Errors:
    """What older definitions may still say, and new ones may not."""
    return _preserved(obj.get("spec") or {}) + _approval(obj)


def shared(versions: list[Object], key: str) -> bool:
    """Whether all versions say the same there: upstream then speaks of a field of `spec` itself."""
    return bool(versions) and all(version.get(key) == versions[0].get(key) for version in versions)


def _preserved(spec: Mapping[str, Any]) -> Errors:
    if not spec.get("preserveUnknownFields"):
        return []
    instead = "set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
    return [FieldError.invalid("spec.preserveUnknownFields", True, f"cannot set to true, {instead}")]


def _approval(obj: Object) -> Errors:
    """Groups of the Kubernetes community are only for what it approved."""
    group = (obj.get("spec") or {}).get("group") or ""
    if not f".{group}".endswith(_COMMUNITY):
        return []
    value = meta.annotations(obj).get(_APPROVED) or ""
    where, said = f"metadata.annotations[{_APPROVED}]", f'protected groups must have approval annotation "{_APPROVED}"'
    if not value:
        return [FieldError.required(where, f"{said}, see {_APPROVAL_RULES}")]
    url = urlsplit(value)
    if value.startswith("unapproved") or (url.scheme and url.netloc):
        return []
    either = 'with either a URL or a reason starting with "unapproved"'
    return [FieldError.invalid(where, value, f"{said} {either}, see {_APPROVAL_RULES}")]


def _stored_versions(obj: Object) -> Errors:
    """Versions that objects may still be stored in stay."""
    named = {version.get("name") for version in obj["spec"].get("versions") or []}
    stored = (obj.get("status") or {}).get("storedVersions") or []
    if not stored:
        return [FieldError.invalid("status.storedVersions", stored, "must have at least one stored version")]
    return [
        FieldError.invalid(
            f"status.storedVersions[{index}]",
            version,
            f"missing from spec.versions; {version} was previously a storage version, and must remain in spec.versions "
            f"until a storage migration ensures no data remains persisted in {version} and removes {version} from "
            "status.storedVersions",
        )
        for index, version in enumerate(stored)
        if version not in named
    ]


def _names(names: Mapping[str, Any]) -> Errors:
    errors: Errors = []
    for key in ("plural", "singular"):
        errors += required(f"spec.names.{key}", names.get(key), is_dns_1035_label)
    for key in ("kind", "listKind"):
        errors += required(f"spec.names.{key}", names.get(key), _mixed_case)
    for key in ("shortNames", "categories"):
        for at, value in indexed(f"spec.names.{key}", names.get(key)):
            errors += text(at, value, is_dns_1035_label)
    if names.get("kind") and names["kind"] == names.get("listKind"):
        errors.append(
            FieldError.invalid("spec.names.listKind", names["listKind"], "kind and listKind may not be the same")
        )
    return errors


def _mixed_case(value: str) -> list[str]:
    problems = is_dns_1035_label(value.lower())
    return [f"may have mixed case, but should otherwise match: {problem}" for problem in problems]


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
        if "deprecationWarning" in version and not version.get("deprecated"):
            said = "can only be set for deprecated versions"
            errors.append(FieldError.invalid(f"{at}.deprecationWarning", version["deprecationWarning"], said))
        if not shared(versions, "additionalPrinterColumns"):
            errors += _columns(f"{at}.additionalPrinterColumns", version)
        if not shared(versions, "subresources"):
            errors += _scale(f"{at}.subresources.scale", version)
    if sum(bool(version.get("storage")) for version in versions) != 1:
        names = [version.get("name") for version in versions]
        errors.append(
            FieldError.invalid("spec.versions", names, "must have exactly one version marked as storage version")
        )
    if shared(versions, "additionalPrinterColumns"):
        errors += _columns("spec.additionalPrinterColumns", versions[0])
    if shared(versions, "subresources"):
        errors += _scale("spec.subresources.scale", versions[0])
    return errors


def _columns(path: str, version: Mapping[str, Any]) -> Errors:
    errors: Errors = []
    for at, column in indexed(path, version.get("additionalPrinterColumns")):
        errors += required(f"{at}.name", column.get("name"))
        types, formats = f"must be one of {','.join(_COLUMN_TYPES)}", f"must be one of {','.join(_COLUMN_FORMATS)}"
        if not column.get("type"):
            errors.append(FieldError.required(f"{at}.type", types))
        elif column["type"] not in _COLUMN_TYPES:
            errors.append(FieldError.invalid(f"{at}.type", column["type"], types))
        if column.get("format") and column["format"] not in _COLUMN_FORMATS:
            errors.append(FieldError.invalid(f"{at}.format", column["format"], formats))
        errors += _simple_path(f"{at}.JSONPath", column.get("jsonPath"), ".", "")
    return errors


def _scale(path: str, version: Mapping[str, Any]) -> Errors:
    scale = (version.get("subresources") or {}).get("scale")
    if scale is None:
        return []
    errors = _simple_path(f"{path}.specReplicasPath", scale.get("specReplicasPath"), ".spec.", ".spec")
    errors += _simple_path(f"{path}.statusReplicasPath", scale.get("statusReplicasPath"), ".status.", ".status")
    if selector := scale.get("labelSelectorPath"):
        where = (".spec.", ".status.")
        errors += _simple_path(f"{path}.labelSelectorPath", selector, where, "either .spec or .status")
    return errors


def _simple_path(path: str, value: str | None, under: str | tuple[str, ...], said: str) -> Errors:
    if not value:
        return [FieldError.required(path)]
    if not value.startswith("."):
        return [FieldError.invalid(path, value, "must be a simple json path starting with .")]
    return [] if value.startswith(under) else [FieldError.invalid(path, value, f"should be a json path under {said}")]
