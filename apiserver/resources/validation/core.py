"""The core group: what has no file of its own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson

from apiserver.resources.validation.apps import MISMATCH
from apiserver.resources.validation.checks import Errors, not_negatives, required, text
from apiserver.resources.validation.pods import template
from machinery.errors import FieldError
from machinery.objects.names import is_config_key, is_dns_subdomain, is_label_key

Object = dict[str, Any]

_NOTE, _WORD, _INSTANCE = 1024, 128, 128
"""How long the texts of an event may be."""

DATA_BYTES = 1024 * 1024
"""How much a ConfigMap or Secret may hold."""
_FROZEN = "field is immutable when `immutable` is set"
_REDACTED = "<secret contents redacted>"
_SECRET_KEYS: Mapping[str, tuple[str, ...]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_ACCOUNT = "kubernetes.io/service-account.name"


def config_map(obj: Object) -> Errors:
    errors: Errors = []
    size = 0
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    for field, values in (("data", data), ("binaryData", binary)):
        for key, value in values.items():
            errors += text(f"{field}[{key}]", key, is_config_key)
            size += len(value.encode()) if field == "data" else len(value) * 3 // 4
    errors += [
        FieldError.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        for key in data
        if key in binary
    ]
    return [*errors, FieldError.too_long("[]", DATA_BYTES)] if size > DATA_BYTES else errors


def config_map_update(obj: Object, old: Object) -> Errors:
    return _frozen(obj, old, "data", "binaryData")


def secret(obj: Object) -> Errors:
    errors: Errors = []
    data: Mapping[str, str] = obj.get("data") or {}
    size = 0
    for key, value in data.items():
        errors += text(f"data[{key}]", key, is_config_key)
        size += len(value) * 3 // 4
    if size > DATA_BYTES:
        errors.append(FieldError.too_long("data", DATA_BYTES))
    kind = obj.get("type") or ""
    if kind == "kubernetes.io/service-account-token":
        if not ((obj.get("metadata") or {}).get("annotations") or {}).get(_ACCOUNT):
            errors.append(FieldError.required(f"metadata.annotations[{_ACCOUNT}]"))
    elif kind == "kubernetes.io/basic-auth" and not data.keys() & {"username", "password"}:
        errors += [FieldError.required("data[username]"), FieldError.required("data[password]")]
    for key in _SECRET_KEYS.get(kind, ()):
        if key not in data or (key == "ssh-privatekey" and not data[key]):
            errors.append(FieldError.required(f"data[{key}]"))
        elif key.startswith(".docker") and (said := _json_problem(data[key])):
            errors.append(FieldError.invalid(f"data[{key}]", _REDACTED, said))
    return errors


def secret_update(obj: Object, old: Object) -> Errors:
    errors = _frozen(obj, old, "data")
    if obj.get("type") != old.get("type"):
        errors.append(FieldError.invalid("type", obj.get("type"), "field is immutable"))
    return errors


def replication_controller(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors = not_negatives("spec", spec, "minReadySeconds", "replicas")
    selector, pods = spec.get("selector") or {}, spec.get("template")
    if not selector:
        errors.append(FieldError.required("spec.selector"))
    if pods is None:
        return [*errors, FieldError.required("spec.template")]
    if (pods.get("spec") or {}).get("activeDeadlineSeconds") is not None:
        at = "spec.template.spec.activeDeadlineSeconds"
        errors.append(FieldError.forbidden(at, "activeDeadlineSeconds in ReplicationController is not Supported"))
    labels = (pods.get("metadata") or {}).get("labels") or {}
    if selector and not selector.items() <= labels.items():
        errors.append(FieldError.invalid("spec.template.metadata.labels", labels, MISMATCH))
    errors += template("spec.template", pods)
    policy = (pods.get("spec") or {}).get("restartPolicy")
    if policy != "Always":
        errors.append(FieldError.not_supported("spec.template.spec.restartPolicy", policy, ("Always",)))
    return errors


def pod_template(obj: Object) -> Errors:
    return template("template", obj.get("template") or {})


def event(obj: Object) -> Errors:
    """An event lives in the namespace of what it is about; that of a cluster-wide object lives in `default`.

    One that has an eventTime, as those of the newer kind do, also says who did what."""
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    home, namespace = about.get("namespace") or "", (obj.get("metadata") or {}).get("namespace") or ""
    errors: Errors = []
    if (home and home != namespace) or (not home and namespace not in ("", "default", "kube-system")):
        errors.append(FieldError.invalid("involvedObject.namespace", home, "does not match event.namespace"))
    if not obj.get("eventTime"):
        return errors
    controller = "reportingComponent" if "involvedObject" in obj else "reportingController"
    errors += required(controller, obj.get(controller), is_label_key)
    errors += required("reportingInstance", obj.get("reportingInstance"))
    if len(obj.get("reportingInstance") or "") > _INSTANCE:
        errors.append(FieldError.invalid("reportingInstance", "", f"can have at most {_INSTANCE} characters"))
    for field, limit in (("action", _WORD), ("reason", _WORD)):
        errors += required(field, obj.get(field))
        if len(obj.get(field) or "") > limit:
            errors.append(FieldError.invalid(field, "", f"can have at most {limit} characters"))
    if len(obj.get("note") or obj.get("message") or "") > _NOTE:
        errors.append(FieldError.invalid("message", "", f"can have at most {_NOTE} characters"))
    return errors


def new_event(obj: Object) -> Errors:
    """What the newer kind of event must have, and must not have any more, when it is made."""
    errors = required("eventTime", obj.get("eventTime"))
    if obj.get("type") not in ("Normal", "Warning"):
        errors.append(FieldError.invalid("type", "", f"has invalid value: {obj.get('type') or ''}"))
    for field, empty in (("FirstTimestamp", None), ("LastTimestamp", None), ("Count", 0), ("Source", {})):
        value = obj.get(f"deprecated{field}")
        if value not in (None, empty):
            errors.append(FieldError.invalid(f"deprecated{field}", value, "needs to be unset"))
    return errors


def binding(obj: Object) -> Errors:
    """A Binding: the node that a pod is assigned to."""
    target = obj.get("target") or {}
    errors: Errors = []
    if target.get("kind") not in (None, "", "Node"):
        errors.append(FieldError.not_supported("target.kind", target["kind"], ("Node", "<empty>")))
    return errors + required("target.name", target.get("name"), is_dns_subdomain)


def _frozen(obj: Object, old: Object, *fields: str) -> Errors:
    """An object that was declared immutable keeps its data, and stays declared so."""
    if not old.get("immutable"):
        return []
    errors: Errors = []
    if not obj.get("immutable"):
        errors.append(FieldError.forbidden("immutable", _FROZEN))
    return errors + [
        FieldError.forbidden(field, _FROZEN) for field in fields if (obj.get(field) or {}) != (old.get(field) or {})
    ]


def _json_problem(encoded: str) -> str:
    try:
        decoded = orjson.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as error:
        return str(error)
    return "" if isinstance(decoded, dict) else "must be a JSON object"
