"""What is particular to a kind when it is written. The default is a kind with a spec, a status and no rules of its own.

A strategy is pure: it gets plain dicts that it may change (`prepare_*`, `default`) or only read (`validate_*`,
`warnings`), and has no clock, client or state. What needs other objects is admission's work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from machinery.errors import FieldError
from machinery.objects.names import is_dns_subdomain

if TYPE_CHECKING:
    from apiserver.verbs.context import RequestContext

Object = dict[str, Any]


class Strategy:
    """The default for every kind; subclasses override what differs."""

    allow_create_on_update = False
    """Whether PUT to a name that does not exist creates the object."""

    allow_unconditional_update = True
    """Whether an update without a resourceVersion takes the current one."""

    status_subresource = True
    """Whether writes to the object leave `status` alone and writes to /status change nothing else."""

    generation = True
    """Whether metadata.generation counts changes of the spec."""

    orphans_by_default = False
    """Whether dependents stay when a deletion names no propagation policy (batch/v1 Job, v1 ReplicationController)."""

    def name_problems(self, name: str) -> list[str]:
        """What is wrong with a name of this kind, in upstream's words: by default it must be a DNS subdomain."""
        return is_dns_subdomain(name)

    def default(self, obj: Object) -> None:
        """Fill in what the user left out. Called on every write, after decoding and before admission."""

    def prepare_create(self, context: RequestContext, obj: Object) -> None:
        """Drop what a creator must not set. The default drops `status`, and starts `generation` at 1."""
        if self.status_subresource:
            obj.pop("status", None)
        if self.generation:
            obj["metadata"]["generation"] = 1

    def prepare_update(self, context: RequestContext, obj: Object, old: Object) -> None:
        """Restore what an update of the object (not of a subresource) must not change, and count the generation."""
        if self.status_subresource:
            keep(obj, old, "status")
        if self.generation:
            before = int(old["metadata"].get("generation", 0))
            obj["metadata"]["generation"] = before + 1 if self.spec_changed(obj, old) else before

    def prepare_status_update(self, context: RequestContext, obj: Object, old: Object) -> None:
        """Restore everything but `status` (and metadata that the status writers may change: none by default)."""
        for key in {*obj, *old} - {"status", "metadata", "apiVersion", "kind"}:
            keep(obj, old, key)
        metadata = dict(old["metadata"])
        metadata["managedFields"] = obj["metadata"].get("managedFields", metadata.get("managedFields"))
        if metadata["managedFields"] is None:
            del metadata["managedFields"]
        if "resourceVersion" in obj["metadata"]:
            metadata["resourceVersion"] = obj["metadata"]["resourceVersion"]
        obj["metadata"] = metadata

    def spec_changed(self, obj: Object, old: Object) -> bool:
        """Whether the generation goes up: by default when anything but metadata and status changed."""
        ignored = {"metadata", "status", "apiVersion", "kind"}
        return any(obj.get(key) != old.get(key) for key in {*obj, *old} - ignored)

    def validate_create(self, obj: Object) -> list[FieldError]:
        """What is wrong with a new object, beyond its schema and metadata."""
        return []

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """What is wrong with a changed object: its own rules and what is immutable. Default: as on create."""
        return self.validate_create(obj)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        return []

    def warnings(self, obj: Object) -> list[str]:
        """What is accepted but deprecated or of no effect."""
        return []

    def grace_period(self, obj: Object, asked: int | None) -> int | None:
        """Seconds between the request to delete `obj` and its removal; None removes at once (the default).

        asked: the request's gracePeriodSeconds; None when it named none."""
        return None


def keep(obj: Object, old: Object, key: str) -> None:
    """Set `obj[key]` back to what `old` has, absent included."""
    if key in old:
        obj[key] = old[key]
    else:
        obj.pop(key, None)
