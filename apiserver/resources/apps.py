"""The apps group: workloads that keep pods running."""

from __future__ import annotations

from typing import Any

from apiserver.resources.columns import apps as columns
from apiserver.resources.defaults import apps as defaults
from apiserver.resources.rows import ALL, SCALE, STATUS, built_in
from apiserver.resources.rules import Rules
from apiserver.resources.validation import apps as validation
from apiserver.resources.validation.pod_warnings import template_warnings

Object = dict[str, Any]


class DeploymentRules(Rules):
    """Deployments: annotations count as a change too, for the controller copies them to replica sets."""

    def spec_changed(self, obj: Object, old: Object) -> bool:
        now, before = (each["metadata"].get("annotations") or {} for each in (obj, old))
        return now != before or super().spec_changed(obj, old)


ROWS = (
    built_in(
        "apps/v1",
        "ControllerRevision",
        "controllerrevisions",
        columns=columns.CONTROLLER_REVISION,
        strategy=Rules(
            status=False,
            generation=False,
            validate=validation.controller_revision,
            update=validation.controller_revision_update,
        ),
    ),
    built_in(
        "apps/v1",
        "DaemonSet",
        "daemonsets",
        short=("ds",),
        categories=ALL,
        subresources=(STATUS,),
        columns=columns.DAEMON_SET,
        strategy=Rules(
            initial_status={
                "currentNumberScheduled": 0,
                "desiredNumberScheduled": 0,
                "numberMisscheduled": 0,
                "numberReady": 0,
            },
            default=defaults.daemon_set,
            validate=validation.daemon_set,
            update=validation.daemon_set_update,
            warn=template_warnings,
        ),
    ),
    built_in(
        "apps/v1",
        "Deployment",
        "deployments",
        short=("deploy",),
        categories=ALL,
        subresources=(STATUS, SCALE),
        columns=columns.DEPLOYMENT,
        strategy=DeploymentRules(
            initial_status={},
            default=defaults.deployment,
            validate=validation.deployment,
            update=validation.deployment_update,
            warn=template_warnings,
        ),
    ),
    built_in(
        "apps/v1",
        "ReplicaSet",
        "replicasets",
        short=("rs",),
        categories=ALL,
        subresources=(STATUS, SCALE),
        columns=columns.REPLICA_SET,
        strategy=Rules(
            initial_status={"replicas": 0},
            default=defaults.replica_set,
            validate=validation.replica_set,
            update=validation.replica_set_update,
            warn=template_warnings,
        ),
        selectable={"status.replicas": lambda rs: str(rs.get("status", {}).get("replicas", 0))},
    ),
    built_in(
        "apps/v1",
        "StatefulSet",
        "statefulsets",
        short=("sts",),
        categories=ALL,
        subresources=(STATUS, SCALE),
        columns=columns.STATEFUL_SET,
        strategy=Rules(
            initial_status={"availableReplicas": 0, "replicas": 0},
            default=defaults.stateful_set,
            validate=validation.stateful_set,
            update=validation.stateful_set_update,
            warn=template_warnings,
        ),
    ),
)
