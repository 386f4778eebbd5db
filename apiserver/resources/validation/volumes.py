"""Volumes of a pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.validation.checks import Errors, indexed, one_of, quantity, required
from apiserver.resources.validation.environment import VOLUME_FIELDS, field_ref, resource_ref
from machinery.errors import FieldError
from machinery.objects.names import is_dns_label

Object = Mapping[str, Any]

_HOST_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_MODE_RANGE = "must be a number between 0 and 0777 (octal), both inclusive"
_MANY = "may not specify more than 1 volume type"
_SHORTEST_TOKEN = 600
_LONGEST_TOKEN = 2**32


def volumes(path: str, listed: list[Object] | None) -> tuple[set[str], Errors]:
    """The names of a pod's volumes, and what is wrong with them."""
    names: set[str] = set()
    errors: Errors = []
    for at, volume in indexed(path, listed):
        name = volume.get("name") or ""
        wrong = required(f"{at}.name", name, is_dns_label)
        if not wrong and name in names:
            wrong = [FieldError.duplicate(f"{at}.name", name)]
        errors += wrong + source(at, volume)
        names.add(name)
    return names, errors


def source(path: str, volume: Object) -> Errors:
    """The one source of a volume."""
    given = [key for key, value in volume.items() if key != "name" and value is not None]
    if not given:
        return [FieldError.required(path, "must specify a volume type")]
    errors: Errors = [FieldError.forbidden(f"{path}.{extra}", _MANY) for extra in given[1:]]
    kind, detail, at = given[0], volume[given[0]], f"{path}.{given[0]}"
    match kind:
        case "emptyDir":
            if detail.get("sizeLimit") is not None and quantity(at, detail["sizeLimit"])[1]:
                errors.append(
                    FieldError.forbidden(f"{at}.sizeLimit", "SizeLimit field must be a valid resource quantity")
                )
        case "secret":
            errors += required(f"{at}.secretName", detail.get("secretName"))
            errors += _files(at, detail)
        case "configMap":
            errors += required(f"{at}.name", detail.get("name"))
            errors += _files(at, detail)
        case "hostPath":
            errors += required(f"{at}.path", detail.get("path"))
            if ".." in (detail.get("path") or "").split("/"):
                errors.append(FieldError.invalid(f"{at}.path", detail["path"], "must not contain '..'"))
            errors += one_of(f"{at}.type", detail.get("type"), _HOST_TYPES, optional=True)
        case "persistentVolumeClaim":
            errors += required(f"{at}.claimName", detail.get("claimName"))
        case "downwardAPI":
            errors += _mode(f"{at}.defaultMode", detail.get("defaultMode")) + _downward(f"{at}.items", detail)
        case "projected":
            errors += _mode(f"{at}.defaultMode", detail.get("defaultMode")) + _projected(f"{at}.sources", detail)
        case "nfs":
            errors += required(f"{at}.server", detail.get("server")) + required(f"{at}.path", detail.get("path"))
            if detail.get("path") and not detail["path"].startswith("/"):
                errors.append(FieldError.invalid(f"{at}.path", detail["path"], "must be an absolute path"))
        case "csi":
            errors += required(f"{at}.driver", detail.get("driver"))
        case "ephemeral":
            if detail.get("volumeClaimTemplate") is None:
                errors.append(FieldError.required(f"{at}.volumeClaimTemplate"))
        case "image":
            errors += required(f"{at}.reference", detail.get("reference"))
        case _:
            pass  # sources of vendors' storage: what their schema says is all that is known here
    return errors


def relative_path(path: str, value: str) -> Errors:
    """A path inside a volume: it neither starts at the root nor climbs out."""
    errors: Errors = []
    if value.startswith("/"):
        errors.append(FieldError.invalid(path, value, "must be a relative path"))
    if ".." in value.split("/"):
        errors.append(FieldError.invalid(path, value, "must not contain '..'"))
    return errors


def _mode(path: str, mode: int | None) -> Errors:
    return [FieldError.invalid(path, mode, _MODE_RANGE)] if mode is not None and not 0 <= mode <= 0o777 else []


def _files(path: str, detail: Object) -> Errors:
    """The files that keys become, of a Secret or ConfigMap."""
    errors = _mode(f"{path}.defaultMode", detail.get("defaultMode"))
    for at, item in indexed(f"{path}.items", detail.get("items")):
        errors += required(f"{at}.key", item.get("key"))
        errors += _file_path(f"{at}.path", item.get("path"))
        errors += _mode(f"{at}.mode", item.get("mode"))
    return errors


def _file_path(path: str, value: str | None) -> Errors:
    errors = required(path, value) + relative_path(path, value or "")
    if (value or "").startswith("..") and (value or "") != "..":
        errors.append(FieldError.invalid(path, value, "must not start with '..'"))
    return errors


def _downward(path: str, detail: Object) -> Errors:
    errors: Errors = []
    for at, item in indexed(path, detail.get("items")):
        errors += _file_path(f"{at}.path", item.get("path"))
        field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
        if field is not None:
            errors += field_ref(f"{at}.fieldRef", field, VOLUME_FIELDS)
            if resource is not None:
                errors.append(
                    FieldError.invalid(
                        at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"
                    )
                )
        elif resource is not None:
            errors += resource_ref(f"{at}.resourceFieldRef", resource, in_volume=True)
        else:
            errors.append(FieldError.required(at, "one of fieldRef and resourceFieldRef is required"))
        errors += _mode(f"{at}.mode", item.get("mode"))
    return errors


def _projected(path: str, detail: Object) -> Errors:
    errors: Errors = []
    for at, each in indexed(path, detail.get("sources")):
        given = [key for key, value in each.items() if value is not None]
        if not given:
            errors.append(FieldError.required(at, "must specify a volume type"))
        errors += [FieldError.forbidden(f"{at}.{extra}", _MANY) for extra in given[1:]]
        for key in given[:1]:
            errors += _projection(f"{at}.{key}", key, each[key])
    return errors


def _projection(path: str, kind: str, detail: Object) -> Errors:
    match kind:
        case "secret" | "configMap":
            return required(f"{path}.name", detail.get("name")) + _files(path, detail)
        case "downwardAPI":
            return _downward(f"{path}.items", detail)
        case "serviceAccountToken":
            errors: Errors = []
            seconds = detail.get("expirationSeconds") or 0
            if seconds < _SHORTEST_TOKEN:
                errors.append(
                    FieldError.invalid(
                        f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"
                    )
                )
            if seconds > _LONGEST_TOKEN:
                errors.append(
                    FieldError.invalid(
                        f"{path}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"
                    )
                )
            return errors + _file_path(f"{path}.path", detail.get("path"))
        case _:
            return []
