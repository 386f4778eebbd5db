"""Approves the certificates that node agents ask for, if they may.

Two requests are approved, each after a SubjectAccessReview of who asks: a node's first client certificate
(`nodeclient`, which bootstrap tokens are given) and a node's renewal of its own (`selfnodeclient`, which nodes are
given).
"""

from __future__ import annotations

from controllermgr.controllers import csr_rules as rules
from machinery.client.api import Object
from machinery.client.resources import CERTIFICATE_SIGNING_REQUESTS, SUBJECT_ACCESS_REVIEWS
from machinery.controller.reconcile import DONE, Outcome
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import NotFound
from machinery.objects import conditions, workload

RECOGNIZERS = (
    (
        rules.is_own_renewal,
        "selfnodeclient",
        "Auto approving self kubelet client certificate after SubjectAccessReview.",
    ),
    (rules.is_node_client, "nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."),
)
"""(what it recognizes, the subresource that who asks must be allowed to create, what is said), in order."""


class Approver:
    """The reconciler."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._log = context.log
        self._requests = context.informers.store(CERTIFICATE_SIGNING_REQUESTS)

    async def reconcile(self, key: str) -> Outcome:
        csr = self._requests.get(key)
        if csr is None or rules.is_signed(csr) or rules.is_approved(csr) or rules.is_decided_against(csr):
            return DONE
        for recognizes, subresource, message in RECOGNIZERS:
            if recognizes(csr) and await self._may(csr, subresource):
                await self._approve(csr, message)
                self._log.info("approved certificate signing request name=%s as=%s", key, subresource)
                return DONE
        return DONE

    async def _may(self, csr: Object, subresource: str) -> bool:
        spec = workload.spec(csr)
        review: Object = {
            "apiVersion": SUBJECT_ACCESS_REVIEWS.api_version,
            "kind": "SubjectAccessReview",
            "spec": {
                "user": spec.get("username") or "",
                "uid": spec.get("uid") or "",
                "groups": spec.get("groups") or [],
                "extra": spec.get("extra") or {},
                "resourceAttributes": {
                    "group": CERTIFICATE_SIGNING_REQUESTS.group,
                    "resource": CERTIFICATE_SIGNING_REQUESTS.resource,
                    "verb": "create",
                    "version": "*",
                    "subresource": subresource,
                },
            },
        }
        answer = await self._client.create(SUBJECT_ACCESS_REVIEWS, review)
        return bool(workload.status(answer).get("allowed"))

    async def _approve(self, csr: Object, message: str) -> None:
        told = conditions.merged(
            list(conditions.all_of(csr)),
            "Approved",
            "True",
            reason="AutoApproved",
            message=message,
            now=self._clock.now(),
        )
        try:
            await self._client.update(
                CERTIFICATE_SIGNING_REQUESTS,
                {**csr, "status": {**workload.status(csr), "conditions": told}},
                subresource="approval",
            )
        except NotFound:
            return


SPEC = ControllerSpec(
    "csrapproving",
    make=Approver,
    workers=1,
    aliases=("certificatesigningrequest-approving",),
    component="certificate-controller",
    description="Approves the client certificates that nodes ask for",
    watches=(Watch(CERTIFICATE_SIGNING_REQUESTS),),
)
