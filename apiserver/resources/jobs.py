"""The strategy of jobs: a job finds its pods by a label made of its own uid, which the server adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiserver.resources.defaults import batch as defaults
from apiserver.resources.strategy import Strategy
from apiserver.resources.validation import batch as validation
from apiserver.resources.validation.pod_warnings import template_warnings
from machinery.errors import FieldError
from machinery.objects import meta

if TYPE_CHECKING:
    from apiserver.verbs.context import RequestContext

Object = dict[str, Any]

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"
_OLD_CONTROLLER_UID = "controller-uid"
_OLD_JOB_NAME = "job-name"


class JobStrategy(Strategy):
    """Jobs."""

    status_writes_metadata = True
    orphans_by_default = True
    initial_status: dict[str, Any] = {}  # noqa: RUF012 - read-only by the base's contract: it copies

    def default(self, obj: Object) -> None:
        defaults.job(obj)

    def prepare_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_create(context, obj)
        if not obj["spec"].get("manualSelector"):
            _generate_selector(obj)

    def validate_create(self, obj: Object) -> list[FieldError]:
        return validation.job(obj)

    def warnings(self, obj: Object) -> list[str]:
        return template_warnings(obj)

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        return validation.job_update(obj, old)


def _generate_selector(job: Object) -> None:
    """Select the pods of this job and no others, by its uid; the labels go to the template as well.

    What a user put in place of these labels stays, and validation refuses it.
    """
    metadata = job["spec"].setdefault("template", {}).setdefault("metadata", {})
    labels = metadata["labels"] = dict(metadata.get("labels") or {})
    for key, value in (
        (_OLD_CONTROLLER_UID, meta.uid(job)),
        (_OLD_JOB_NAME, meta.name(job)),
        (CONTROLLER_UID, meta.uid(job)),
        (JOB_NAME, meta.name(job)),
    ):
        labels.setdefault(key, value)
    selector = job["spec"].setdefault("selector", {})
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), CONTROLLER_UID: meta.uid(job)}
