"""URL -> what is asked. Pure: knows no kind but `namespaces`, whose objects are named where others have theirs.

    /api/v1/...  and  /apis/GROUP/VERSION/...  then
    RESOURCE
    RESOURCE/NAME[/SUBRESOURCE[/REST]]
    namespaces/NAMESPACE/RESOURCE[/NAME[/SUBRESOURCE[/REST]]]
    watch/ before any of these follows it (deprecated upstream; `?watch=true` is the way).

Whatever is none of these is a document: `/version`, `/apis/apps/v1`, `/openapi/v3`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from machinery.objects.gvk import GVR

_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
_BY_METHOD = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """A request to a resource. rest: what follows the subresource (`pods/x/proxy/REST`); "" for nothing."""

    resource: GVR
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    watch: bool = False


def parse(path: str) -> ResourcePath | None:
    """What a path (percent-encoded, without its query) asks of a resource; None for a document."""
    if path.startswith("/api/"):
        parts = path[5:].split("/")
        if not parts[-1]:
            parts.pop()
        group, version, parts = "", parts[0] if parts else "", parts[1:]
    elif path.startswith("/apis/"):
        parts = path[6:].split("/")
        if not parts[-1]:
            parts.pop()
        if len(parts) < 3:
            return None
        group, version, parts = parts[0], parts[1], parts[2:]
    else:
        return None
    if not parts or "" in parts[:3]:
        return None
    if "%" in path:
        parts = [unquote(part) for part in parts]
    watch = parts[0] == "watch" and len(parts) > 1
    if watch:
        parts = parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
        namespace, parts = parts[1], parts[2:]
    padded = (*parts[:3], "", "")
    return ResourcePath(GVR(group, version, parts[0]), namespace, padded[1], padded[2], "/".join(parts[3:]), watch)


def verb_of(method: str, path: ResourcePath, *, watch: bool) -> str:
    """The authorization verb of a request; "" for a method that no resource takes.

    watch: the query asks for one; beside a name it says nothing, as upstream."""
    if method in ("GET", "HEAD"):
        if path.watch or (watch and not path.name):
            return "watch"
        return "get" if path.name else "list"
    if method == "DELETE":
        return "delete" if path.name else "deletecollection"
    return _BY_METHOD.get(method, "")
