"""PLUGINS: the admission plugins in the order they run, upstream's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from actors import Clock
from apiserver.admission.api import AdmissionChain, AdmissionPlugin
from apiserver.admission.certificates import CertificateApproval, CertificateSigning, CertificateSubjectRestriction
from apiserver.admission.defaults import INGRESS_CLASSES, STORAGE_CLASSES, DefaultIngressClass, DefaultStorageClass
from apiserver.admission.limits import RANGES, LimitRanger
from apiserver.admission.namespace_lifecycle import NAMESPACES, NamespaceLifecycle
from apiserver.admission.node_restriction import NodeRestriction
from apiserver.admission.priority import CLASSES, Priority
from apiserver.admission.quota import QUOTAS, ResourceQuota
from apiserver.admission.service_account import ACCOUNTS, ServiceAccount
from apiserver.admission.services import SERVICES, ServiceAddresses
from apiserver.admission.tolerations import DefaultTolerationSeconds, TaintNodesByCondition
from apiserver.auth.api import Authorizer
from apiserver.config import Config
from apiserver.resources.lookup import Resources
from apiserver.storage.caches import WatchCaches


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a plugin can be made from."""

    config: Config
    clock: Clock
    caches: WatchCaches
    resources: Resources
    authorizer: Authorizer
    randomness: Random


PLUGINS: Mapping[str, Callable[[Surroundings], AdmissionPlugin]] = MappingProxyType(
    {
        "NamespaceLifecycle": lambda around: NamespaceLifecycle(around.caches, around.clock),
        "LimitRanger": lambda around: LimitRanger(around.caches),
        "ServiceAccount": lambda around: ServiceAccount(around.caches, around.clock, around.randomness),
        "NodeRestriction": lambda around: NodeRestriction(around.caches),
        "TaintNodesByCondition": lambda around: TaintNodesByCondition(),
        "Priority": lambda around: Priority(around.caches),
        "DefaultTolerationSeconds": lambda around: DefaultTolerationSeconds(),
        "DefaultStorageClass": lambda around: DefaultStorageClass(around.caches),
        "CertificateApproval": lambda around: CertificateApproval(around.authorizer),
        "CertificateSigning": lambda around: CertificateSigning(around.authorizer),
        "CertificateSubjectRestriction": lambda around: CertificateSubjectRestriction(),
        "DefaultIngressClass": lambda around: DefaultIngressClass(around.caches),
        "ServiceAddresses": lambda around: ServiceAddresses(around.config, around.caches, around.randomness),
        "ResourceQuota": lambda around: ResourceQuota(around.caches),
    }
)

READS = (NAMESPACES, RANGES, ACCOUNTS, CLASSES, STORAGE_CLASSES, INGRESS_CLASSES, SERVICES, QUOTAS)
"""The kinds whose caches must be loaded before a decision is right."""


def chain(around: Surroundings) -> AdmissionChain:
    """The plugins that the configuration leaves on. Raises ValueError for an unknown name among those it turns off."""
    unknown = around.config.admission_plugins_off - PLUGINS.keys()
    if unknown:
        raise ValueError(f"unknown admission plugins: {', '.join(sorted(unknown))}")
    off = around.config.admission_plugins_off
    return AdmissionChain([make(around) for name, make in PLUGINS.items() if name not in off])
