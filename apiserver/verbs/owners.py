"""Owner references that come twice: one is kept, and the writer is told."""

from __future__ import annotations

from typing import Any

from apiserver.verbs.context import RequestContext

Object = dict[str, Any]

_TOLD = (
    ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may "
    "reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {uids}"
)


def keep_each_once(context: RequestContext, obj: Object) -> None:
    """Change `obj` in place. Only references that are equal in every field are one."""
    references = obj["metadata"].get("ownerReferences") or []
    if len(references) < 2:
        return
    kept: list[Any] = []
    twice: list[str] = []
    for each in references:
        if each in kept:
            twice.append(str(each.get("uid")))
        else:
            kept.append(each)
    if twice:
        obj["metadata"]["ownerReferences"] = kept
        when = " after mutating admission happens" if context.verb == "patch" else ""
        context.warn(_TOLD.format(when=when, uids=", ".join(twice)))
