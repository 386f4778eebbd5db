"""URL -> resource and verb, by table."""

from __future__ import annotations

import pytest

from apiserver.rest.paths import ResourcePath, parse, verb_of
from machinery.objects.gvk import GVR

PODS = GVR("", "v1", "pods")
DEPLOYMENTS = GVR("apps", "v1", "deployments")
NAMESPACES = GVR("", "v1", "namespaces")
WIDGETS = GVR("example.com", "v1", "widgets")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/pods", ResourcePath(PODS)),
        ("/api/v1/pods/", ResourcePath(PODS)),
        ("/api/v1/namespaces/a/pods", ResourcePath(PODS, "a")),
        ("/api/v1/namespaces/a/pods/b", ResourcePath(PODS, "a", "b")),
        ("/api/v1/namespaces/a/pods/b/log", ResourcePath(PODS, "a", "b", "log")),
        ("/api/v1/namespaces/a/pods/b/proxy/x/y", ResourcePath(PODS, "a", "b", "proxy", "x/y")),
        ("/api/v1/namespaces", ResourcePath(NAMESPACES)),
        ("/api/v1/namespaces/a", ResourcePath(NAMESPACES, "", "a")),
        ("/api/v1/namespaces/a/status", ResourcePath(NAMESPACES, "", "a", "status")),
        ("/api/v1/namespaces/a/finalize", ResourcePath(NAMESPACES, "", "a", "finalize")),
        ("/apis/apps/v1/namespaces/a/deployments/d/scale", ResourcePath(DEPLOYMENTS, "a", "d", "scale")),
        ("/apis/example.com/v1/widgets/w", ResourcePath(WIDGETS, "", "w")),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
         ResourcePath(GVR("rbac.authorization.k8s.io", "v1", "clusterroles"), "", "system:node")),
        ("/api/v1/watch/pods", ResourcePath(PODS, watch=True)),
        ("/api/v1/watch/namespaces/a/pods/b", ResourcePath(PODS, "a", "b", watch=True)),
        ("/api/v1", None),
        ("/api/v1/", None),
        ("/api", None),
        ("/apis", None),
        ("/apis/apps", None),
        ("/apis/apps/v1", None),
        ("/apis/apps/v1/", None),
        ("/version", None),
        ("/api//pods", ResourcePath(GVR("", "", "pods"))),
        ("/api/v1//pods", None),
        ("/api/v1/namespaces//pods", None),
        ("/openapi/v3/apis/apps/v1", None),
        ("/", None),
    ],
)  # fmt: skip
def test_path(path: str, expected: ResourcePath | None) -> None:
    assert parse(path) == expected


@pytest.mark.parametrize(
    ("method", "path", "watch", "verb"),
    [
        ("GET", ResourcePath(PODS), False, "list"),
        ("GET", ResourcePath(PODS), True, "watch"),
        ("GET", ResourcePath(PODS, "a", "b"), False, "get"),
        ("GET", ResourcePath(PODS, "a", "b"), True, "get"),
        ("GET", ResourcePath(PODS, "a", "b", watch=True), False, "watch"),
        ("HEAD", ResourcePath(PODS, "a", "b"), False, "get"),
        ("POST", ResourcePath(PODS, "a"), False, "create"),
        ("POST", ResourcePath(PODS, "a", "b", "eviction"), False, "create"),
        ("PUT", ResourcePath(PODS, "a", "b"), False, "update"),
        ("PATCH", ResourcePath(PODS, "a", "b"), False, "patch"),
        ("DELETE", ResourcePath(PODS, "a", "b"), False, "delete"),
        ("DELETE", ResourcePath(PODS, "a"), False, "deletecollection"),
        ("OPTIONS", ResourcePath(PODS), False, ""),
        ("TRACE", ResourcePath(PODS), True, ""),
    ],
)
def test_verb(method: str, path: ResourcePath, watch: bool, verb: str) -> None:
    assert verb_of(method, path, watch=watch) == verb
