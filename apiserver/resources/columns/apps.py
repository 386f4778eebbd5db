"""The apps group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.columns.build import AGE, NAME, NONE, at, containers, labels, number, selector, text, wide
from machinery.objects import owners

Object = dict[str, Any]

_SELECTOR = wide("Selector", "The labels of its pods.", lambda o: selector(at("spec", "selector")(o) or None))


def _of(ready: str, wanted: str) -> Any:
    return lambda o: f"{at('status', ready, default=0)(o)}/{at('spec', wanted, default=0)(o)}"


def _controller(revision: Object) -> str:
    owner = owners.controller_of(revision)
    if owner is None:
        return NONE
    group = str(owner.get("apiVersion") or "").rpartition("/")[0]
    kind = str(owner.get("kind") or "").lower()
    return f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"


DEPLOYMENT = (
    NAME,
    text("Ready", "Number of the pod with ready state", _of("readyReplicas", "replicas")),
    number("Up-to-date", "How many pods are of the newest template.", at("status", "updatedReplicas", default=0)),
    number("Available", "How many pods have been ready long enough.", at("status", "availableReplicas", default=0)),
    AGE,
    *containers("spec", "template"),
    _SELECTOR,
)
REPLICA_SET = (
    NAME,
    number("Desired", "How many pods are wanted.", at("spec", "replicas", default=0)),
    number("Current", "How many pods there are.", at("status", "replicas", default=0)),
    number("Ready", "How many pods are ready.", at("status", "readyReplicas", default=0)),
    AGE,
    *containers("spec", "template"),
    _SELECTOR,
)
DAEMON_SET = (
    NAME,
    number("Desired", "How many nodes should run its pod.", at("status", "desiredNumberScheduled", default=0)),
    number("Current", "How many nodes run its pod.", at("status", "currentNumberScheduled", default=0)),
    number("Ready", "How many of its pods are ready.", at("status", "numberReady", default=0)),
    number("Up-to-date", "How many run the newest template.", at("status", "updatedNumberScheduled", default=0)),
    number("Available", "How many have been ready long enough.", at("status", "numberAvailable", default=0)),
    text(
        "Node Selector",
        "The labels of the nodes that it runs on.",
        lambda o: labels(at("spec", "template", "spec", "nodeSelector")(o) or {}),
    ),
    AGE,
    *containers("spec", "template"),
    _SELECTOR,
)
STATEFUL_SET = (
    NAME,
    text("Ready", "Number of the pod with ready state", _of("readyReplicas", "replicas")),
    AGE,
    *containers("spec", "template"),
)
CONTROLLER_REVISION = (
    NAME,
    text("Controller", "Controller of the object", _controller),
    number("Revision", "The revision's number.", at("revision", default=0)),
    AGE,
)
