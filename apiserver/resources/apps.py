"""The apps group: workloads that keep pods running."""

from __future__ import annotations

from apiserver.resources.rows import ALL, SCALE, STATUS, built_in
from apiserver.resources.rules import Rules

ROWS = (
    built_in("apps/v1", "ControllerRevision", "controllerrevisions", strategy=Rules(status=False, generation=False)),
    built_in(
        "apps/v1",
        "DaemonSet",
        "daemonsets",
        short=("ds",),
        categories=ALL,
        subresources=(STATUS,),
        strategy=Rules(),
    ),
    built_in(
        "apps/v1",
        "Deployment",
        "deployments",
        short=("deploy",),
        categories=ALL,
        subresources=(STATUS, SCALE),
        strategy=Rules(),
    ),
    built_in(
        "apps/v1",
        "ReplicaSet",
        "replicasets",
        short=("rs",),
        categories=ALL,
        subresources=(STATUS, SCALE),
        strategy=Rules(),
        selectable={"status.replicas": lambda rs: str(rs.get("status", {}).get("replicas", 0))},
    ),
    built_in(
        "apps/v1",
        "StatefulSet",
        "statefulsets",
        short=("sts",),
        categories=ALL,
        subresources=(STATUS, SCALE),
        strategy=Rules(),
    ),
)
