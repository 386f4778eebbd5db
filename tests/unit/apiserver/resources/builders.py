"""Objects to test with: defaulted as the server would, with changes by path."""

from pathlib import Path
from typing import Any

import yaml

from apiserver.resources.registry import RESOURCES
from apiserver.resources.spec import ResourceSpec
from apiserver.verbs.context import RequestContext, UserInfo
from machinery.errors import FieldError
from machinery.objects.gvk import gvk_of

Object = dict[str, Any]

ROWS = {row.gvk: row for row in RESOURCES.values()}
NOW = "2026-01-01T00:00:00Z"

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default}
spec: {containers: [{name: web, image: "nginx:1"}]}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "nginx:1"}]}}
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: default, uid: u1}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: once, image: "busybox:1"}]}}}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


def golden(file: str) -> dict[str, Any]:
    """The cases in a file under tests/golden, by their names."""
    cases: dict[str, Any] = yaml.safe_load((Path(__file__).parents[3] / "golden" / file).read_text())
    return cases


def row(obj: Object) -> ResourceSpec:
    """The row of an object's kind."""
    return ROWS[gvk_of(obj)]


def context(obj: Object, *, subresource: str = "", user: str = "tester") -> RequestContext:
    """A write request for an object."""
    asker = UserInfo(user, groups=("system:authenticated",))
    return RequestContext(row(obj), "update", asker, subresource=subresource, received=NOW)


def make(text: str, *changes: str | Object) -> Object:
    """An object from YAML, changed, defaulted and prepared as a create would.

    A change is a map, or a YAML document of one, that is merged into the object; lists are replaced.
    """
    obj: Object = yaml.safe_load(text)
    for change in changes:
        merge(obj, yaml.safe_load(change) if isinstance(change, str) else change)
    obj["metadata"].setdefault("uid", "u1")
    row(obj).strategy.default(obj)
    row(obj).strategy.prepare_create(context(obj), obj)
    return obj


def updated(old: Object, *changes: str | Object) -> Object:
    """A copy of a stored object, changed as a client would, defaulted and prepared as an update would."""
    obj: Object = yaml.safe_load(yaml.safe_dump(old))
    for change in changes:
        merge(obj, yaml.safe_load(change) if isinstance(change, str) else change)
    row(obj).strategy.default(obj)
    row(obj).strategy.prepare_update(context(obj), obj, old)
    return obj


def merge(obj: Object, change: Object) -> None:
    """Merge maps into maps; null removes, everything else replaces."""
    for key, value in change.items():
        if value is None:
            obj.pop(key, None)
        elif isinstance(value, dict) and isinstance(obj.get(key), dict):
            merge(obj[key], value)
        else:
            obj[key] = value


def create_errors(text: str, *changes: str | Object) -> list[str]:
    """What validation says of a new object, as lines of `path: message`."""
    obj = make(text, *changes)
    return said(row(obj).strategy.validate_create(obj))


def update_errors(text: str, *changes: str | Object) -> list[str]:
    """What validation says of these changes to an object."""
    old = make(text)
    obj = updated(old, *changes)
    return said(row(obj).strategy.validate_update(obj, old))


def said(errors: list[FieldError]) -> list[str]:
    return [str(error) for error in errors]
