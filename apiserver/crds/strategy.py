"""Strategies: of CustomResourceDefinitions, and of the objects that they define."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from apiserver.crds.structural import RULES, problems
from apiserver.resources.rules import Rules
from apiserver.resources.strategy import Strategy
from apiserver.resources.validation.apiextensions import shared
from machinery.errors import FieldError
from machinery.objects import conditions
from machinery.schema.model import Schema
from machinery.schema.structural import set_defaults
from machinery.schema.validate import validate

if TYPE_CHECKING:
    from apiserver.verbs.context import RequestContext

Object = dict[str, Any]

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""Holds a definition back until its objects are gone."""


class DefinitionStrategy(Rules):
    """CustomResourceDefinitions. One that is deleted goes when the last of its objects has gone."""

    def prepare_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_create(context, obj)
        stored = [version.get("name") or "" for version in obj["spec"].get("versions") or [] if version.get("storage")]
        obj["status"] = {"storedVersions": stored}

    def prepare_update(self, context: RequestContext, obj: Object, old: Object) -> None:
        super().prepare_update(context, obj, old)
        stored = list((obj.get("status") or {}).get("storedVersions") or [])
        for version in obj["spec"].get("versions") or []:
            name = version.get("name") or ""
            if version.get("storage") and name not in stored:
                obj["status"] = {**(obj.get("status") or {}), "storedVersions": [*stored, name]}

    def validate_create(self, obj: Object) -> list[FieldError]:
        return super().validate_create(obj) + _schemas(obj, None)

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        return super().validate_update(obj, old) + _schemas(obj, old)

    def warnings(self, obj: Object) -> list[str]:
        said = super().warnings(obj)
        for index, version in enumerate(obj["spec"].get("versions") or []):
            where = f"spec.versions[{index}].schema.openAPIV3Schema"
            said += [
                f"{path}: CEL rules are not evaluated by this server"
                for path in _rules((version.get("schema") or {}).get("openAPIV3Schema"), where)
            ]
        return said

    def holds_back(self, obj: Object) -> bool:
        """The first request to delete only marks it: its objects are to be found and removed first."""
        return not obj["metadata"].get("deletionTimestamp")

    def deletion_begins(self, obj: Object) -> None:
        finalizers = obj["metadata"].get("finalizers") or []
        if CLEANUP not in finalizers:
            obj["metadata"]["finalizers"] = [*finalizers, CLEANUP]
        status = obj["status"] = dict(obj.get("status") or {})
        status["conditions"] = [
            *conditions.without(status.get("conditions") or [], "Terminating"),
            {
                "type": "Terminating",
                "status": "True",
                "lastTransitionTime": obj["metadata"]["deletionTimestamp"],
                "reason": "InstanceDeletionPending",
                "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
            },
        ]


class CustomStrategy(Strategy):
    """The objects of one version of a CustomResourceDefinition: its schema is all the rules there are."""

    allow_unconditional_update = False

    def __init__(self, schema: Schema, *, status: bool, scale: tuple[str, str, str] | None) -> None:
        """scale: (spec replicas, status replicas, selector) as dotted paths; None without the subresource."""
        self.schema = schema
        self.status_subresource = status
        self.scale_paths = scale

    def default(self, obj: Object) -> None:
        set_defaults(self.schema, obj)

    def spec_changed(self, obj: Object, old: Object) -> bool:
        """Without a status subresource everything but metadata is the user's wish."""
        ignored = {"metadata", "apiVersion", "kind"} | ({"status"} if self.status_subresource else set())
        return any(obj.get(key) != old.get(key) for key in {*obj, *old} - ignored)

    def validate_create(self, obj: Object) -> list[FieldError]:
        return validate(self.schema, {key: value for key, value in obj.items() if key != "metadata"})

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        return self.validate_create(obj)


def _schemas(definition: Object, old: Object | None) -> list[FieldError]:
    """What is wrong with the versions' schemas. One that stays as it was is not judged anew."""
    versions = definition["spec"].get("versions") or []
    before = {each.get("name"): each.get("schema") for each in (old or {"spec": {}})["spec"].get("versions") or []}
    errors = []
    for index, version in enumerate(versions):
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        where = f"spec.versions[{index}].schema.openAPIV3Schema"
        if schema is None:
            errors.append(FieldError.required(where, "schemas are required"))
        elif old is None or before.get(version.get("name")) != version.get("schema"):
            status = (version.get("subresources") or {}).get("status") is not None
            if shared(versions, "schema"):
                return problems(schema, "spec.validation.openAPIV3Schema", status=status)
            errors += problems(schema, where, status=status)
    return errors


def _rules(schema: Any, path: str) -> Iterator[str]:
    """Where a schema has CEL rules: they are kept and not evaluated, which its author must hear."""
    if isinstance(schema, dict):
        if schema.get(RULES):
            yield f"{path}.{RULES}"
        for key in ("items", "additionalProperties"):
            yield from _rules(schema.get(key), f"{path}.{key}")
        for name, each in (schema.get("properties") or {}).items():
            yield from _rules(each, f"{path}.properties[{name}]")
