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

    __slots__ = ("_lists", "_recorder", "_reference")

    def __init__(self, recorder: Recorder, pod: Object) -> None:
        self._recorder = recorder
        # Not the pod itself: as it was at first, nobody else holds it.
        self._reference = {
            "kind": "Pod",
            "namespace": meta.namespace(pod),
            "name": meta.name(pod),
            "uid": meta.uid(pod),
            "apiVersion": "v1",
            "resourceVersion": meta.resource_version(pod),
        }
        self._lists = {
            container["name"]: key
            for key in ("containers", "ephemeralContainers", "initContainers")
            for container in pods.spec(pod).get(key) or ()
        }

    def normal(self, reason: str, message: str, *, container: Object | None = None) -> None:
        self._recorder.event(self._about(container), NORMAL, reason, message)

    def warning(self, reason: str, message: str, *, container: Object | None = None) -> None:
        self._recorder.event(self._about(container), WARNING, reason, message)

    def _about(self, container: Object | None) -> dict[str, Any]:
        if container is None:
            return self._reference
        name = container["name"]
        return {**self._reference, "fieldPath": f"spec.{self._lists.get(name, 'containers')}{{{name}}}"}
