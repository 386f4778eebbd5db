"""Making and removing the pods of a workload, with the events that people look for, and finding whose a pod is."""

from __future__ import annotations

from typing import NoReturn

from machinery.client.api import Client, DeleteOptions, Object
from machinery.client.resources import PODS
from machinery.controller.expectations import Expectations
from machinery.controller.recorder import Recorder
from machinery.errors import ApiError, NotFound
from machinery.objects import meta


class NamespaceEnds(Exception):
    """A create was refused because its namespace is being deleted: nothing to retry, nothing to report."""


class PodControl:
    """Creates and deletes pods for their owners; every act is noted in `expectations` under the owner's key."""

    def __init__(self, client: Client, recorder: Recorder, expectations: Expectations) -> None:
        self._client = client
        self._recorder = recorder
        self._expectations = expectations

    async def create(self, owner: Object, pod: Object) -> Object:
        """Create a pod. Raises NamespaceEnds, or ApiError after telling of it in an event."""
        try:
            made = await self._client.create(PODS, pod, namespace=meta.namespace(owner))
        except ApiError as error:
            self._refused(owner, error)
        self._expectations.wrote(meta.key(owner), made)
        self._recorder.normal(owner, "SuccessfulCreate", f"Created pod: {meta.name(made)}")
        return made

    async def delete(self, owner: Object, pod: Object) -> Object:
        """Ask for the deletion of exactly this pod; one that is gone already is as good."""
        options = DeleteOptions(uid=meta.uid(pod))
        try:
            await self._client.delete(PODS, meta.name(pod), namespace=meta.namespace(pod), options=options)
        except NotFound:
            return pod
        except ApiError as error:
            self._recorder.warning(owner, "FailedDelete", f"Error deleting: {error.message}")
            raise
        self._expectations.deleted(meta.key(owner), pod)
        self._recorder.normal(owner, "SuccessfulDelete", f"Deleted pod: {meta.name(pod)}")
        return pod

    def _refused(self, owner: Object, error: ApiError) -> NoReturn:
        if namespace_ends(error):
            raise NamespaceEnds from error
        self._recorder.warning(owner, "FailedCreate", f"Error creating: {error.message}")
        raise error


def namespace_ends(error: ApiError) -> bool:
    """Whether a create was refused because its namespace is being deleted."""
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ())
