"""Admission: what depends on other objects, decided between decoding and storage.

A plugin mutates, validates, or both. Mutation runs over all plugins in the list's order, then validation does; a
refusal is an ApiError that the plugin raises. Plugins read other objects from the watch caches; the few that hold
something for a write on its way (an address, a share of a quota) let it go when the write fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from apiserver.resources.spec import ResourceSpec
from apiserver.verbs.context import RequestContext

Object = dict[str, Any]


@dataclass(slots=True)
class AdmissionRequest:
    """A write on its way.

    operation: CREATE, UPDATE, DELETE or CONNECT. name: "" while a name is still to be generated.
    obj: what will be stored, free to be changed by mutation; None for DELETE. For a subresource with a body of its own
        (binding, eviction) it is that body. old: what is stored, read-only; None for CREATE.
    rollbacks: what to call when the write does not come about; a plugin that holds something for it appends here.
    """

    context: RequestContext
    operation: str
    obj: Object | None
    old: Object | None = None
    rollbacks: list[Callable[[], object]] = field(default_factory=list)

    def failed(self) -> None:
        """The write did not come about: what plugins hold for it is free again."""
        for rollback in self.rollbacks:
            rollback()

    @property
    def spec(self) -> ResourceSpec:
        return self.context.spec

    @property
    def resource(self) -> str:
        """The group's plural, with the subresource: "pods", "pods/binding", "deployments.apps"."""
        name = self.context.spec.gvr.group_resource
        return f"{name}/{self.context.subresource}" if self.context.subresource else name

    @property
    def namespace(self) -> str:
        return self.context.namespace


class AdmissionPlugin(Protocol):
    """See the module. `wants` is asked once per request and phase and must be cheap."""

    name: str

    def wants(self, request: AdmissionRequest) -> bool:
        """Whether the plugin has anything to say to this request."""

    async def mutate(self, request: AdmissionRequest) -> None:
        """Change `request.obj`, or refuse. Called again on retries, so it must not count on being called once."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse, or say nothing. Sees the object as it will be stored."""


class Plugin:
    """A plugin that does neither; the others override what they do."""

    name = ""

    def wants(self, request: AdmissionRequest) -> bool:
        return True

    async def mutate(self, request: AdmissionRequest) -> None:
        """Nothing to change."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Nothing to refuse."""


class AdmissionChain:
    """The plugins of one server, in order."""

    def __init__(self, plugins: Sequence[AdmissionPlugin]) -> None:
        self._plugins = tuple(plugins)

    async def mutate(self, request: AdmissionRequest) -> None:
        for plugin in self._plugins:
            if plugin.wants(request):
                await plugin.mutate(request)

    async def validate(self, request: AdmissionRequest) -> None:
        for plugin in self._plugins:
            if plugin.wants(request):
                await plugin.validate(request)
