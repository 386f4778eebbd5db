"""What is particular to a kind when it is written. The default is a kind with a spec, a status and no rules of its own.

A strategy is pure: it gets plain dicts that it may change (`prepare_*`, `default`) or only read (`validate_*`,
`warnings`), and has no clock, client or state. What needs other objects is admission's work.

The order of a create: decode, `default`, fill in the system's metadata (name, uid, creationTimestamp),
`prepare_create`, admission, `validate_create`. Of an update: decode, `default`, `prepare_update` (or that of the
subresource), admission, `validate_update`. Metadata is validated beside it: `validation/metadata.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from machinery.errors import FieldError
from machinery.objects.meta import deep_copy
from machinery.objects.names import is_dns_subdomain

if TYPE_CHECKING:
    from apiserver.verbs.context import RequestContext

Object = dict[str, Any]

_SYSTEM_METADATA = (
    "name",
    "namespace",
    "uid",
    "generation",
    "generateName",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


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

    initial_status: Mapping[str, Any] | None = None
    """The status that a new object starts with; None for none."""

    status_writes_metadata = False
    """Whether a write to /status may change labels, annotations and finalizers: for built-in kinds, not custom ones."""

    orphans_by_default = False
    """Whether dependents stay when a deletion names no propagation policy (batch/v1 Job, v1 ReplicationController)."""

    def name_problems(self, name: str) -> list[str]:
        """What is wrong with a name of this kind, in upstream's words: by default it must be a DNS subdomain."""
        return is_dns_subdomain(name)

    def default(self, obj: Object) -> None:
        """Fill in what the user left out. Called on every write, after decoding and before admission."""

    def prepare_create(self, context: RequestContext, obj: Object) -> None:
        """Drop what a creator must not set. The default resets `status`, and starts `generation` at 1."""
        if self.status_subresource:
            obj.pop("status", None)
            if self.initial_status is not None:
                obj["status"] = deep_copy(dict(self.initial_status))
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
        """Restore everything but `status`, and metadata unless `status_writes_metadata`."""
        for key in {*obj, *old} - {"status", "metadata", "apiVersion", "kind"}:
            keep(obj, old, key)
        if self.status_writes_metadata:
            for key in _SYSTEM_METADATA:
                keep(obj["metadata"], old["metadata"], key)
            return
        metadata = dict(old["metadata"])
        metadata["managedFields"] = obj["metadata"].get("managedFields", metadata.get("managedFields"))
        if metadata["managedFields"] is None:
            del metadata["managedFields"]
        if "resourceVersion" in obj["metadata"]:
            metadata["resourceVersion"] = obj["metadata"]["resourceVersion"]
        obj["metadata"] = metadata

    def prepare_subresource(self, context: RequestContext, obj: Object, old: Object) -> None:
        """As `prepare_status_update`, for the kind's other writable subresources (`context.subresource`: "finalize",
        "approval", "ephemeralcontainers", "resize"). Kinds that list one in their row override this."""
        raise LookupError(f"no rules for writing {context.spec.gvr.resource}/{context.subresource}")

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
        """What is wrong with a write to /status."""
        return []

    def validate_subresource(self, subresource: str, obj: Object, old: Object) -> list[FieldError]:
        """What is wrong with a write to another subresource."""
        return []

    def warnings(self, obj: Object) -> list[str]:
        """What is accepted but deprecated or of no effect."""
        return []

    def grace_period(self, obj: Object, asked: int | None) -> int | None:
        """Seconds between the request to delete `obj` and its removal; None removes at once (the default).

        asked: the request's gracePeriodSeconds; None when it named none."""
        return None

    def deletion_begins(self, obj: Object) -> None:
        """Change an object that stays while finalizers or a grace period hold it (a namespace becomes Terminating)."""

    def holds_back(self, obj: Object) -> bool:
        """Whether something besides `metadata.finalizers` keeps a deleted object from being removed."""
        return False


def keep(obj: Object, old: Object, key: str) -> None:
    """Set `obj[key]` back to what `old` has, absent included."""
    if key in old:
        obj[key] = old[key]
    else:
        obj.pop(key, None)
