"""The controllers that a controllermgr runs: one line each. Others plug in by entry point.

An installed package adds a controller with the entry point group `controllermgr.controllers`; the object it names is a
ControllerSpec (or a function without arguments that makes one).
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence

from controllermgr.controllers import (
    bootstrap_tokens,
    cronjob,
    csrapproving,
    csrcleaner,
    csrsigning,
    daemonset,
    deployment,
    disruption,
    endpoints,
    endpointslice,
    job,
    namespace,
    nodeipam,
    nodelifecycle,
    podgc,
    replicaset,
    resourcequota,
    rootca,
    serviceaccount,
    statefulset,
    tainteviction,
    ttlafterfinished,
)
from controllermgr.controllers.gc import collector
from machinery.controller.spec import ControllerSpec

ENTRY_POINTS = "controllermgr.controllers"

CONTROLLERS: Mapping[str, ControllerSpec] = {
    "deployment": deployment.SPEC,
    "replicaset": replicaset.SPEC,
    "statefulset": statefulset.SPEC,
    "daemonset": daemonset.SPEC,
    "job": job.SPEC,
    "cronjob": cronjob.SPEC,
    "garbage-collector": collector.SPEC,
    "endpoints": endpoints.SPEC,
    "endpointslice": endpointslice.SPEC,
    "namespace": namespace.SPEC,
    "serviceaccount": serviceaccount.SPEC,
    "root-ca-cert-publisher": rootca.SPEC,
    "nodelifecycle": nodelifecycle.SPEC,
    "tainteviction": tainteviction.SPEC,
    "nodeipam": nodeipam.SPEC,
    "csrapproving": csrapproving.SPEC,
    "csrsigning": csrsigning.SPEC,
    "csrcleaner": csrcleaner.SPEC,
    "bootstrapsigner": bootstrap_tokens.SIGNER,
    "tokencleaner": bootstrap_tokens.CLEANER,
    "disruption": disruption.SPEC,
    "resourcequota": resourcequota.SPEC,
    "podgc": podgc.SPEC,
    "ttl-after-finished": ttlafterfinished.SPEC,
}


class DuplicateController(ValueError):
    """Two controllers have one name."""


def plugged_in() -> Iterable[ControllerSpec]:
    """The controllers of installed packages."""
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        found = entry.load()
        spec = found if isinstance(found, ControllerSpec) else found()
        if not isinstance(spec, ControllerSpec):
            raise TypeError(f"entry point {entry.name} of {ENTRY_POINTS} is no ControllerSpec: {spec!r}")
        yield spec


def collect(extra: Sequence[ControllerSpec] = ()) -> Mapping[str, ControllerSpec]:
    """All controllers by name. Raises DuplicateController, and ValueError for a key that is not its spec's name."""
    found: dict[str, ControllerSpec] = {}
    for name, spec in CONTROLLERS.items():
        if spec.name != name:
            raise ValueError(f"controller {spec.name!r} is registered as {name!r}")
        found[name] = spec
    for spec in (*plugged_in(), *extra):
        if spec.name in found:
            raise DuplicateController(f"two controllers are named {spec.name!r}")
        found[spec.name] = spec
    return found
