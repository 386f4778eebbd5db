"""What the verbs work with: the server's parts, put together once by `app` and read-only from then on."""

from __future__ import annotations

import random
from dataclasses import dataclass

from actors import Clock
from apiserver.admission.api import AdmissionChain
from apiserver.auth.api import Authorizer, PrivilegeGuard, Reviews
from apiserver.resources.lookup import Resources
from apiserver.storage.caches import WatchCaches
from apiserver.storage.store import Store
from apiserver.tunnel.api import NodeDialer
from apiserver.verbs.schemas import Schemas


@dataclass(frozen=True, slots=True)
class Parts:
    """See the module."""

    clock: Clock
    resources: Resources
    store: Store
    caches: WatchCaches
    schemas: Schemas
    authorizer: Authorizer
    guard: PrivilegeGuard
    reviews: Reviews
    admission: AdmissionChain
    nodes: NodeDialer
    randomness: random.Random
