"""Events about one pod, as kubelet writes them: a container is named by `fieldPath`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machinery.controller.recorder import NORMAL, WARNING, Recorder
from machinery.objects import meta
from machinery.objects import pod as pods

Object = Mapping[str, Any]


class PodEvents:
    """Records for one pod. Never waits, never fails."""

    __slots__ = ("_pod", "_recorder")

    def __init__(self, recorder: Recorder, pod: Object) -> None:
        self._recorder = recorder
        self._pod = pod

    def normal(self, reason: str, message: str, *, container: Object | None = None) -> None:
        self._recorder.event(self._reference(container), NORMAL, reason, message)

    def warning(self, reason: str, message: str, *, container: Object | None = None) -> None:
        self._recorder.event(self._reference(container), WARNING, reason, message)

    def _reference(self, container: Object | None) -> dict[str, Any]:
        pod = self._pod
        reference = {
            "kind": "Pod",
            "namespace": meta.namespace(pod),
            "name": meta.name(pod),
            "uid": meta.uid(pod),
            "apiVersion": "v1",
            "resourceVersion": meta.resource_version(pod),
        }
        if container is not None:
            reference["fieldPath"] = f"spec.{_list_of(pod, container)}{{{container['name']}}}"
        return reference


def _list_of(pod: Object, container: Object) -> str:
    for key in ("initContainers", "ephemeralContainers"):
        if any(each["name"] == container["name"] for each in pods.spec(pod).get(key) or ()):
            return key
    return "containers"
