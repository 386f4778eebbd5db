"""Validation of what is about to be stored: metadata by the rules of all kinds, the rest by the kind's strategy."""

from __future__ import annotations

from typing import Any

from apiserver.resources.validation import metadata as metadata_rules
from apiserver.verbs.context import RequestContext
from machinery.errors import invalid

Object = dict[str, Any]


def check_new(context: RequestContext, obj: Object) -> None:
    """Raises Invalid with everything that is wrong with a new object."""
    spec = context.spec
    errors = metadata_rules.create(obj, namespaced=spec.namespaced, name_problems=spec.strategy.name_problems)
    errors += spec.strategy.validate_create(obj)
    if errors:
        raise invalid(spec.gvk, obj["metadata"].get("name") or "", errors)


def check_change(context: RequestContext, new: Object, old: Object) -> None:
    """Raises Invalid with everything that is wrong with a changed object."""
    spec, strategy = context.spec, context.spec.strategy
    errors = metadata_rules.update(new, old)
    match context.subresource:
        case "" | "scale":
            errors += strategy.validate_update(new, old)
        case "status":
            errors += strategy.validate_status_update(new, old)
        case subresource:
            errors += strategy.validate_subresource(subresource, new, old)
    if errors:
        raise invalid(spec.gvk, context.name, errors)
