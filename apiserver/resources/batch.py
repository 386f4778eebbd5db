"""The batch group: work that ends."""

from __future__ import annotations

from apiserver.resources.rows import ALL, STATUS, built_in
from apiserver.resources.rules import Rules

ROWS = (
    built_in(
        "batch/v1",
        "CronJob",
        "cronjobs",
        short=("cj",),
        categories=ALL,
        subresources=(STATUS,),
        strategy=Rules(),
    ),
    built_in(
        "batch/v1",
        "Job",
        "jobs",
        categories=ALL,
        subresources=(STATUS,),
        strategy=Rules(orphans=True),
        selectable={"status.successful": lambda job: str(job.get("status", {}).get("succeeded", 0))},
    ),
)
