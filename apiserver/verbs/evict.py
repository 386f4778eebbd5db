"""pods/eviction: a deletion that PodDisruptionBudgets may refuse for now.

A budget's `status.disruptionsAllowed` is spent by compare-and-swap before the pod is deleted, so that two evictions
never share the last permitted disruption. Rules: kube-apiserver `registry/core/pod/storage/eviction.go`.
"""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.admission.api import AdmissionRequest
from apiserver.storage.store import Stored
from apiserver.verbs.context import RequestContext, Written
from apiserver.verbs.decode import decode_kind
from apiserver.verbs.delete import check_options, remove
from apiserver.verbs.parts import Parts
from machinery.errors import ApiError, BadRequest, InternalError, TooManyRequests, not_found
from machinery.objects import conditions, meta, selectors, timefmt
from machinery.objects.gvk import GVK, GVR

Object = dict[str, Any]

EVICTION = GVK("policy", "v1", "Eviction")
BUDGETS = GVR("policy", "v1", "poddisruptionbudgets")
_SCHEMA = "io.k8s.api.policy.v1.Eviction"
_MOST_DISRUPTED = 2000
_SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
_CANNOT = "Cannot evict pod as it would violate the pod's disruption budget."


async def evict(parts: Parts, context: RequestContext, body: bytes) -> Written:
    """Delete a pod if its budgets allow. Raises TooManyRequests while they do not."""
    eviction = decode_kind(parts, context, body, EVICTION, parts.schemas.named(_SCHEMA))
    name = eviction["metadata"].setdefault("name", context.name)
    if name != context.name:
        raise BadRequest(f"name in URL does not match name in Eviction object: {context.name} != {name}")
    options = check_options(parts, eviction.get("deleteOptions"))
    context.dry_run = context.dry_run or bool(options.get("dryRun"))
    request = AdmissionRequest(context, "CREATE", eviction)
    await parts.admission.mutate(request)
    await parts.admission.validate(request)
    stored = await parts.store.read(context.spec, context.namespace, name)
    if stored is None:
        raise not_found(context.spec.gvr, name)
    if not _free_to_go(stored.obj):
        budget = await _budget_of(parts, context, stored.obj)
        if budget is not None and _needs_budget(stored.obj, budget):
            await _spend(parts, context, budget, name)
    await remove(parts, context, options)
    return Written(orjson.dumps(_SUCCESS), created=True)


def _free_to_go(pod: Object) -> bool:
    """A pod that has ended, never ran or is going already disrupts nothing."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed", "Pending") or meta.is_deleting(pod)


def _needs_budget(pod: Object, budget: Object) -> bool:
    """An unready pod may go for free when the budget says so, or when enough healthy ones are left."""
    if conditions.is_true(pod, "Ready"):
        return True
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return False
    status = budget.get("status") or {}
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    return not (healthy >= desired and desired > 0)


async def _budget_of(parts: Parts, context: RequestContext, pod: Object) -> Object | None:
    spec = parts.resources.find(BUDGETS)
    if spec is None:
        return None
    await parts.caches.fresh(spec)
    labels = meta.labels(pod)
    found = [
        budget
        for budget in parts.caches.list(BUDGETS, context.namespace)
        if selectors.from_label_selector(budget["spec"].get("selector")).matches(labels)
    ]
    if len(found) > 1:
        names = ", ".join(sorted(meta.name(budget) for budget in found))
        raise InternalError(
            f"This pod has more than one PodDisruptionBudget, which the eviction subresource does not support: {names}"
        )
    return found[0] if found else None


async def _spend(parts: Parts, context: RequestContext, budget: Object, pod: str) -> None:
    """Take one permitted disruption. Raises TooManyRequests when there is none."""
    spec = parts.resources.find(BUDGETS)
    assert spec is not None  # the budget was read from its cache
    now = timefmt.format(parts.clock.now())

    async def change(stored: Stored) -> Object:
        status = dict(stored.obj.get("status") or {})
        _check(stored.obj, status)
        status["disruptionsAllowed"] -= 1
        status["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod: now}
        return {**stored.obj, "status": status}

    await parts.store.update(spec, context.namespace, meta.name(budget), change, dry_run=context.dry_run)


def _check(budget: Object, status: Object) -> None:
    name = meta.name(budget)
    if status.get("observedGeneration", 0) < meta.generation(budget):
        raise _refused(f"The disruption budget {name} is still being processed by the server.", retry_after=10)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise ApiError("pdb disruptions allowed is negative", code=403, reason="Forbidden")
    if len(status.get("disruptedPods") or {}) > _MOST_DISRUPTED:
        raise ApiError(
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
            code=403,
            reason="Forbidden",
        )
    if allowed == 0:
        healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
        why = f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
        sync = conditions.get(budget, "DisruptionAllowed") or {}
        if sync.get("status") == "False" and sync.get("reason") == "SyncFailed":
            why = (
                f"The disruption budget {name} does not allow evicting pods currently because it failed sync: "
                f"{sync.get('message', '')}"
            )
        raise _refused(why)


def _refused(why: str, *, retry_after: int = 0) -> TooManyRequests:
    details: Object = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry_after:
        details["retryAfterSeconds"] = retry_after
    return TooManyRequests(_CANNOT, details=details)
