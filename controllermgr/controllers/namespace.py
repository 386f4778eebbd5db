"""Empties a namespace that is being deleted, and then lets it go.

The namespace carries the finalizer `kubernetes` in its spec. This loop deletes all that discovery knows to be in it,
the pods first and alone (what they mount and who guards them must outlive them), tells in conditions what remains and
why, and takes the finalizer away when nothing does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from machinery.client.api import Object
from machinery.client.discovery import ServedResource, discover
from machinery.client.resources import NAMESPACES, PODS
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import ApiError, MethodNotAllowed, NotFound
from machinery.informer import Change, Informers
from machinery.objects import conditions, meta, pod

FINALIZER = "kubernetes"
FIRST_WAIT = 0.5
LAST_WAIT = 15.0
"""Seconds between looks while something remains whose end we are not told of."""


@dataclass(slots=True)
class Findings:
    """What was found while emptying a namespace."""

    remaining: Counter[str] = field(default_factory=Counter)
    """Objects left, by `resource.group`."""
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    discovery: list[str] = field(default_factory=list)
    grace: int = 0
    """The longest grace period of a pod that remains, seconds."""

    def note(self, resource: ServedResource, items: Sequence[Object]) -> None:
        """What a list still shows."""
        if items:
            self.remaining[f"{resource.resource.resource}.{resource.resource.group}"] += len(items)
        for each in items:
            self.finalizers.update(meta.finalizers(each))
            if resource.resource == PODS:
                seconds = meta.metadata(each).get("deletionGracePeriodSeconds")
                self.grace = max(self.grace, pod.grace_seconds(each) if seconds is None else int(seconds))

    @property
    def empty(self) -> bool:
        """Whether the namespace can go."""
        return not (self.remaining or self.failures or self.discovery)


def told(existing: list[Object], found: Findings, now: datetime) -> list[Object]:
    """The namespace's conditions, in upstream's words."""
    remains = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(found.remaining.items()))
    holders = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(found.finalizers.items()))
    wishes: tuple[tuple[str, tuple[str, str], list[str]], ...] = (
        (
            "NamespaceDeletionDiscoveryFailure",
            ("DiscoveryFailed", "Discovery failed for some groups, %d failing: %s")
            if found.discovery
            else ("ResourcesDiscovered", "All resources successfully discovered"),
            found.discovery,
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
            [],
        ),
        (
            "NamespaceDeletionContentFailure",
            ("ContentDeletionFailed", "Failed to delete all resource types, %d remaining: %s")
            if found.failures
            else ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
            found.failures,
        ),
        (
            "NamespaceContentRemaining",
            ("SomeResourcesRemain", f"Some resources are remaining: {remains}")
            if found.remaining
            else ("ContentRemoved", "All content successfully removed"),
            [],
        ),
        (
            "NamespaceFinalizersRemaining",
            ("SomeFinalizersRemain", f"Some content in the namespace has finalizers remaining: {holders}")
            if found.finalizers
            else ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
            [],
        ),
    )
    bad = {"DiscoveryFailed", "ContentDeletionFailed", "SomeResourcesRemain", "SomeFinalizersRemain"}
    for kind, (reason, message), problems in wishes:
        if problems:
            message = message % (len(problems), "; ".join(problems))
        status = "True" if reason in bad else "False"
        existing = conditions.merged(existing, kind, status, reason=reason, message=message, now=now)
    return existing


def namespace_that_ends(change: Change, informers: Informers) -> Iterable[str]:
    """The namespace of a pod that is gone, if it waits for that."""
    name = meta.namespace(change.object)
    held = informers.store(NAMESPACES).get(name) if change.deleted else None
    return (name,) if held is not None and meta.is_deleting(held) else ()


class Namespaces:
    """The reconciler."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._log = context.log
        self._namespaces = context.informers.store(NAMESPACES)
        self._looks: Counter[str] = Counter()

    async def reconcile(self, key: str) -> Outcome:
        namespace = self._namespaces.get(key)
        if namespace is None or not meta.is_deleting(namespace):
            self._looks.pop(key, None)
            return DONE
        if FINALIZER not in ((namespace.get("spec") or {}).get("finalizers") or ()):
            return DONE
        found = await self._empty(key)
        namespace = await self._tell(key, found)
        if namespace is None:
            return DONE
        if found.empty:
            await self._finalize(namespace)
            return DONE
        for failure in found.failures:
            self._log.warning("namespace content not deleted key=%s error=%s", key, failure)
        self._looks[key] += 1
        if found.grace and PODS.resource + "." in found.remaining:
            return RequeueAfter(found.grace / 2 + 1)
        return RequeueAfter(min(FIRST_WAIT * 2.0 ** (self._looks[key] - 1), LAST_WAIT))

    async def _empty(self, name: str) -> Findings:
        found = Findings()
        served = await discover(self._client)
        found.discovery = [f"{group}: {why}" for group, why in sorted(served.failed.items())]
        content = [
            each
            for each in served.preferred()
            if each.namespaced and {"delete", "list"} <= each.verbs and each.resource.resource != "bindings"
        ]
        content.sort(key=lambda each: each.resource != PODS)
        for each in content:
            await self._delete_all(name, each, found)
            if each.resource == PODS and found.remaining:
                return found  # everything else when the pods are gone
        return found

    async def _delete_all(self, name: str, each: ServedResource, found: Findings) -> None:
        resource = each.resource
        try:
            listed = await self._client.list(resource, namespace=name)
            if not listed.items:
                return
            if "deletecollection" in each.verbs:
                await self._client.delete_collection(resource, namespace=name)
            else:
                for item in listed.items:
                    await self._delete(resource.group_resource, each, item)
            found.note(each, (await self._client.list(resource, namespace=name)).items)
        except (NotFound, MethodNotAllowed):
            return  # not served any more
        except ApiError as error:
            found.failures.append(f"{resource.group_resource}: {error.message}")

    async def _delete(self, what: str, each: ServedResource, item: Object) -> None:
        try:
            await self._client.delete(each.resource, meta.name(item), namespace=meta.namespace(item))
        except NotFound:
            self._log.debug("content was gone already what=%s name=%s", what, meta.name(item))

    async def _tell(self, name: str, found: Findings) -> Object | None:
        """Write the conditions; answers the namespace as it now is, None when it is gone."""
        try:
            namespace = await self._client.get(NAMESPACES, name)
        except NotFound:
            return None
        status = namespace.get("status") or {}
        existing = list(status.get("conditions") or [])
        now = told(existing, found, self._clock.now())
        if found.empty and not existing:
            return namespace  # it ends at the first look: nobody will read them
        if now == existing and status.get("phase") == "Terminating":
            return namespace
        changed = {**namespace, "status": {**status, "phase": "Terminating", "conditions": now}}
        return await self._client.update(NAMESPACES, changed, subresource="status")

    async def _finalize(self, namespace: Object) -> None:
        spec = namespace.get("spec") or {}
        left = [each for each in spec.get("finalizers") or () if each != FINALIZER]
        try:
            await self._client.update(
                NAMESPACES, {**namespace, "spec": {**spec, "finalizers": left}}, subresource="finalize"
            )
        except NotFound:
            return


SPEC = ControllerSpec(
    "namespace",
    make=Namespaces,
    workers=10,
    description="Deletes all that is in a namespace that is being deleted",
    watches=(Watch(NAMESPACES), Watch(PODS, namespace_that_ends)),
)
