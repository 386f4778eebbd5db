"""The strategy of namespaces: they end in two steps, and only the finalize subresource takes their finalizers away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiserver.resources.defaults import core as defaults
from apiserver.resources.strategy import Strategy, keep
from apiserver.resources.validation.metadata import is_finalizer
from machinery.errors import FieldError
from machinery.objects.names import is_dns_label

if TYPE_CHECKING:
    from apiserver.verbs.context import RequestContext

Object = dict[str, Any]

FINALIZER = "kubernetes"
"""What the namespace controller removes once nothing is left in the namespace."""


class NamespaceStrategy(Strategy):
    """Namespaces."""

    generation = False
    status_writes_metadata = True
    initial_status = {"phase": "Active"}  # noqa: RUF012 - read-only by the base's contract: it copies

    def name_problems(self, name: str) -> list[str]:
        return is_dns_label(name)

    def default(self, obj: Object) -> None:
        defaults.namespace(obj)

    def prepare_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_create(context, obj)
        defaults.namespace(obj)  # a generated name is known only now
        spec = obj.setdefault("spec", {})
        finalizers = spec.get("finalizers") or []
        spec["finalizers"] = finalizers if FINALIZER in finalizers else [*finalizers, FINALIZER]

    def prepare_update(self, context: RequestContext, obj: Object, old: Object) -> None:
        super().prepare_update(context, obj, old)
        keep(obj, old, "spec")

    def prepare_subresource(self, context: RequestContext, obj: Object, old: Object) -> None:
        """finalize: `spec.finalizers` changes, and the status does not."""
        keep(obj, old, "status")
        for key in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
            keep(obj["metadata"], old["metadata"], key)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        phase = (obj.get("status") or {}).get("phase") or ""
        ending = bool(obj["metadata"].get("deletionTimestamp"))
        if phase == ("Terminating" if ending else "Active"):
            return []
        only = (
            "'Terminating' if `deletionTimestamp` is not empty"
            if ending
            else "'Active' if `deletionTimestamp` is empty"
        )
        return [FieldError.invalid("status.Phase", phase, f"may only be {only}")]

    def validate_subresource(self, subresource: str, obj: Object, old: Object) -> list[FieldError]:
        finalizers = (obj.get("spec") or {}).get("finalizers") or []
        return [
            FieldError.invalid(f"spec.finalizers[{index}]", value, problem)
            for index, value in enumerate(finalizers)
            for problem in is_finalizer(value)
        ]

    def deletion_begins(self, obj: Object) -> None:
        # A namespace ends when it is empty: it has no grace period, not even one of nothing.
        obj["metadata"].pop("deletionGracePeriodSeconds", None)
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}

    def holds_back(self, obj: Object) -> bool:
        return bool((obj.get("spec") or {}).get("finalizers"))
