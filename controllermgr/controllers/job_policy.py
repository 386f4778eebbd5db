"""`podFailurePolicy` and `successPolicy` of a job: what a failed pod means, when enough has succeeded. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from controllermgr.controllers import job_indexes
from machinery.client.api import Object
from machinery.objects import conditions, meta, pod, workload


class Verdict(NamedTuple):
    """action: Count, Ignore, FailIndex or FailJob. message: why, for FailJob and FailIndex."""

    action: str
    message: str = ""


COUNT = Verdict("Count")


def judge(job: Object, failed: Object) -> Verdict:
    """What the first rule that matches says of a failed pod; Count when none does."""
    rules = (workload.spec(job).get("podFailurePolicy") or {}).get("rules") or ()
    for index, rule in enumerate(rules):
        action = str(rule.get("action") or "Count")
        if (on_exit := rule.get("onExitCodes")) is not None:
            if (matched := _matching_container(on_exit, failed)) is not None:
                name, code = matched
                said = f"Container {name} for pod {meta.key(failed)} failed with exit code {code} matching"
                return Verdict(action, f"{said} {action} rule at index {index}")
        elif (on_conditions := rule.get("onPodConditions")) is not None:
            for wanted in on_conditions:
                if conditions.status_of(failed, wanted.get("type", "")) == (wanted.get("status") or "True"):
                    said = f"Pod {meta.key(failed)} has condition {wanted.get('type')} matching"
                    return Verdict(action, f"{said} {action} rule at index {index}")
    return COUNT


def _matching_container(on_exit: Mapping[str, Any], failed: Object) -> tuple[str, int] | None:
    wanted = on_exit.get("containerName")
    values = on_exit.get("values") or ()
    for status in (*pod.init_container_statuses(failed), *pod.container_statuses(failed)):
        if wanted and status.get("name") != wanted:
            continue
        code = ((status.get("state") or {}).get("terminated") or {}).get("exitCode")
        if code is None or code == 0:
            continue
        if (code in values) is (on_exit.get("operator") == "In"):
            return str(status.get("name")), int(code)
    return None


def success(job: Object, completed: Iterable[int]) -> str | None:
    """The message of the first rule of the success policy that the completed indexes fulfil; None when none is."""
    done = set(completed)
    for index, rule in enumerate((workload.spec(job).get("successPolicy") or {}).get("rules") or ()):
        named = rule.get("succeededIndexes")
        counted = rule.get("succeededCount")
        eligible = done & job_indexes.parse(named) if named is not None else done
        enough = int(counted) if counted is not None else len(job_indexes.parse(named or ""))
        if len(eligible) >= enough and enough > 0:
            return f"Matched rules at index {index}"
    return None
