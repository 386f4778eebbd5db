"""Deletes certificate signing requests that nobody needs any more."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

from controllermgr.controllers import csr_rules as rules
from machinery.client.api import DeleteOptions, Object
from machinery.client.resources import CERTIFICATE_SIGNING_REQUESTS
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import NotFound
from machinery.objects import conditions, meta, timefmt, workload

DECIDED = timedelta(hours=1)
"""Approved or denied ones stay so long after that."""
PENDING = timedelta(hours=24)
"""Those that nobody decided stay so long after they were made."""


def useless_at(csr: Object) -> datetime | None:
    """When the request may be deleted; None when its times cannot be read."""
    ends = []
    made = meta.creation_time(csr)
    if not conditions.all_of(csr) and made is not None:
        ends.append(made + PENDING)
    for condition in conditions.all_of(csr):
        since = timefmt.parse_optional(condition.get("lastUpdateTime") or condition.get("lastTransitionTime"))
        if since is not None:
            ends.append(since + DECIDED)
    if rules.is_signed(csr) and (expiry := _expiry(csr)) is not None:
        ends.append(expiry)
    return min(ends, default=None)


def _expiry(csr: Object) -> datetime | None:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(base64.b64decode(workload.status(csr)["certificate"])).not_valid_after_utc
    except ValueError:
        return None


class Cleaner:
    """The reconciler."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._requests = context.informers.store(CERTIFICATE_SIGNING_REQUESTS)

    async def reconcile(self, key: str) -> Outcome:
        csr = self._requests.get(key)
        at = None if csr is None else useless_at(csr)
        if csr is None or at is None:
            return DONE
        left = (at - self._clock.now()).total_seconds()
        if left > 0:
            return RequeueAfter(left)
        try:
            await self._client.delete(CERTIFICATE_SIGNING_REQUESTS, key, options=DeleteOptions(uid=meta.uid(csr)))
        except NotFound:
            return DONE
        return DONE


SPEC = ControllerSpec(
    "csrcleaner",
    make=Cleaner,
    workers=1,
    aliases=("certificatesigningrequest-cleaner",),
    description="Deletes old certificate signing requests",
    watches=(Watch(CERTIFICATE_SIGNING_REQUESTS),),
)
