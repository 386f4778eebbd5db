"""What every verb begins with: may the user, and is there such a thing to do."""

from __future__ import annotations

from apiserver.auth.api import Attributes
from apiserver.auth.authz import refusal
from apiserver.verbs.context import RequestContext
from apiserver.verbs.parts import Parts
from machinery.errors import MethodNotAllowed, NotFound, NotImplementedByServer
from machinery.objects import timefmt
from machinery.objects.gvk import GVR

NAMESPACES = GVR("", "v1", "namespaces")
_NO_SUCH_PATH = "the server could not find the requested resource"
_NO_SUCH_METHOD = "the server does not allow this method on the requested resource"


def enter(parts: Parts, context: RequestContext, *, field_selector: str = "") -> None:
    """Raises Forbidden, NotFound (no such subresource) or MethodNotAllowed. No await."""
    context.received = timefmt.format(parts.clock.now())
    if context.spec.deprecation:
        context.warn(context.spec.deprecation)
    authorize(parts, context, field_selector=field_selector)
    if context.subresource:
        subresource = context.spec.subresources.get(context.subresource)
        if subresource is None:
            raise NotFound(_NO_SUCH_PATH)
        verbs = subresource.verbs
    else:
        verbs = context.spec.verbs
    if context.verb not in verbs:
        raise not_allowed()


def stored(context: RequestContext, *subresources: str) -> None:
    """The verb is about what is stored: the object, or one of the subresources that are parts of it.

    Raises NotImplementedByServer for kinds that are never stored, of which discovery promises that they can be read
    (ComponentStatus), and for subresources that lead elsewhere (exec, proxy)."""
    spec = context.spec
    if not spec.storage:
        raise NotImplementedByServer(f"{spec.gvr.resource} is not served by this server")
    if context.subresource and context.subresource not in subresources:
        raise NotImplementedByServer(f"{spec.gvr.resource}/{context.subresource} is not served by this server")


PARTS_OF_OBJECTS = ("status", "scale", "approval", "finalize", "ephemeralcontainers", "resize")


def authorize(parts: Parts, context: RequestContext, *, verb: str = "", field_selector: str = "") -> None:
    """Raises Forbidden. verb: another than the request's, for what the request implies."""
    resource = context.spec.gvr
    # A namespace lies in itself, so that a role in it can grant rights to it.
    namespace = context.name if resource == NAMESPACES else context.namespace
    attributes = Attributes(
        user=context.user,
        verb=verb or context.verb,
        group=resource.group,
        version=resource.version,
        resource=resource.resource,
        subresource=context.subresource,
        namespace=namespace,
        name=context.name,
        field_selector=field_selector,
    )
    decision = parts.authorizer.authorize(attributes)
    if not decision.allowed:
        raise refusal(attributes, decision)


def not_allowed() -> MethodNotAllowed:
    """The kind is served, but not so."""
    return MethodNotAllowed(_NO_SUCH_METHOD)
