"""Kinds that are answered and never stored: authentication.k8s.io and authorization.k8s.io."""

from __future__ import annotations

from apiserver.resources.rows import built_in
from apiserver.resources.rules import Rules
from apiserver.resources.spec import ResourceSpec


def _review(api_version: str, kind: str, *, namespaced: bool = False) -> ResourceSpec:
    strategy = Rules(status=False, generation=False)
    resource = f"{kind.lower()}s"
    return built_in(
        api_version, kind, resource, namespaced=namespaced, verbs=("create",), storage="", strategy=strategy
    )


ROWS = (
    _review("authentication.k8s.io/v1", "SelfSubjectReview"),
    _review("authentication.k8s.io/v1", "TokenReview"),
    _review("authorization.k8s.io/v1", "LocalSubjectAccessReview", namespaced=True),
    _review("authorization.k8s.io/v1", "SelfSubjectAccessReview"),
    _review("authorization.k8s.io/v1", "SelfSubjectRulesReview"),
    _review("authorization.k8s.io/v1", "SubjectAccessReview"),
)
