"""The batch group: work that ends."""

from __future__ import annotations

from apiserver.resources.columns import batch as columns
from apiserver.resources.defaults import batch as defaults
from apiserver.resources.jobs import JobStrategy
from apiserver.resources.rows import ALL, STATUS, built_in
from apiserver.resources.rules import Rules
from apiserver.resources.validation import batch as validation
from apiserver.resources.validation.pod_warnings import cron_job_warnings

ROWS = (
    built_in(
        "batch/v1",
        "CronJob",
        "cronjobs",
        short=("cj",),
        categories=ALL,
        subresources=(STATUS,),
        columns=columns.CRON_JOB,
        strategy=Rules(
            initial_status={},
            default=defaults.cron_job,
            validate=validation.cron_job,
            warn=cron_job_warnings,
        ),
    ),
    built_in(
        "batch/v1",
        "Job",
        "jobs",
        categories=ALL,
        subresources=(STATUS,),
        columns=columns.JOB,
        strategy=JobStrategy(),
        selectable={"status.successful": lambda job: str(job.get("status", {}).get("succeeded", 0))},
    ),
)
