"""PLUGINS: the admission plugins in the order they run, upstream's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from actors import Clock
from apiserver.admission.api import AdmissionChain, AdmissionPlugin
from apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from apiserver.auth.api import Authorizer
from apiserver.config import Config
from apiserver.resources.lookup import Resources
from apiserver.storage.caches import WatchCaches


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a plugin can be made from."""

    config: Config
    clock: Clock
    caches: WatchCaches
    resources: Resources
    authorizer: Authorizer
    randomness: Random


PLUGINS: Mapping[str, Callable[[Surroundings], AdmissionPlugin]] = MappingProxyType(
    {
        "NamespaceLifecycle": lambda around: NamespaceLifecycle(around.caches, around.resources),
    }
)


def chain(around: Surroundings) -> AdmissionChain:
    """The plugins that the configuration leaves on. Raises ValueError for an unknown name among those it turns off."""
    unknown = around.config.admission_plugins_off - PLUGINS.keys()
    if unknown:
        raise ValueError(f"unknown admission plugins: {', '.join(sorted(unknown))}")
    off = around.config.admission_plugins_off
    return AdmissionChain([make(around) for name, make in PLUGINS.items() if name not in off])
