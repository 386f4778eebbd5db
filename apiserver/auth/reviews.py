"""The kinds that are questions, and token requests.

Every answer is computed from the body alone and never stored. Rules and texts after kube-apiserver's
`pkg/registry/authorization`, `pkg/registry/authentication` and `core/serviceaccount/storage/token.go`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from apiserver.auth.api import Attributes, Authenticator, Caches
from apiserver.auth.authz import AuthorizerChain
from apiserver.auth.tokens import ACCOUNTS, ServiceAccountTokens
from apiserver.verbs.context import RequestContext, UserInfo
from machinery.errors import BadRequest, FieldError, MethodNotAllowed, Unauthorized, conflict, invalid, not_found
from machinery.objects import meta
from machinery.objects.gvk import GVK, GVR

Object = dict[str, Any]
Answer = Callable[[RequestContext, Object], Awaitable[Object]]

_TOKEN_REQUEST = GVK("authentication.k8s.io", "v1", "TokenRequest")
_DEFAULT_SECONDS = 3600
_LEAST_SECONDS = 600
_MOST_SECONDS = 1 << 32
_BINDABLE = {
    ("v1", "Pod"): GVR("", "v1", "pods"),
    ("v1", "Secret"): GVR("", "v1", "secrets"),
    ("v1", "Node"): GVR("", "v1", "nodes"),
}


class ReviewService:
    """Implements `api.Reviews`."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        authorizer: AuthorizerChain,
        tokens: ServiceAccountTokens,
        caches: Caches,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._tokens = tokens
        self._caches = caches
        self._answers: Mapping[tuple[str, str], Answer] = {
            ("tokenreviews", ""): self._token_review,
            ("selfsubjectreviews", ""): self._self_review,
            ("subjectaccessreviews", ""): self._access_review,
            ("localsubjectaccessreviews", ""): self._local_access_review,
            ("selfsubjectaccessreviews", ""): self._self_access_review,
            ("selfsubjectrulesreviews", ""): self._rules_review,
            ("serviceaccounts", "token"): self._token_request,
        }

    async def answer(self, context: RequestContext, obj: Object) -> Object:
        answer = self._answers.get((context.spec.gvr.resource, context.subresource))
        if answer is None:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        return await answer(context, obj)

    async def _token_review(self, context: RequestContext, obj: Object) -> Object:
        spec = obj.get("spec") or {}
        token = spec.get("token") or ""
        if not token:
            raise BadRequest("token is required for TokenReview in authentication")
        status: Object
        try:
            user, audiences = await self._authenticator.authenticate_token(
                token, audiences=tuple(spec.get("audiences") or ())
            )
            status = {"authenticated": True, "user": user_document(user), "audiences": list(audiences)}
        except Unauthorized as error:
            status = {"user": {}, "error": error.message}
        return {**obj, "status": status}

    async def _self_review(self, context: RequestContext, obj: Object) -> Object:
        return {**obj, "status": {"userInfo": user_document(context.user)}}

    async def _access_review(self, context: RequestContext, obj: Object) -> Object:
        spec = obj.get("spec") or {}
        errors = _check_question(spec)
        errors += _check_subject(spec)
        if errors:
            raise invalid(context.spec.gvk, "", errors)
        return self._decided(obj, _subject(spec))

    async def _local_access_review(self, context: RequestContext, obj: Object) -> Object:
        spec = obj.get("spec") or {}
        errors = _check_question(spec) + _check_subject(spec)
        if "nonResourceAttributes" in spec:
            errors.append(
                FieldError(
                    "spec.nonResourceAttributes",
                    "FieldValueInvalid",
                    f"Invalid value: {spec['nonResourceAttributes']}: disallowed on this kind of request",
                )
            )
        if errors:
            raise invalid(context.spec.gvk, "", errors)
        if (spec.get("resourceAttributes") or {}).get("namespace", "") != context.namespace:
            raise BadRequest(f"spec.resourceAttributes.namespace must match namespace: {context.namespace}")
        return self._decided(obj, _subject(spec))

    async def _self_access_review(self, context: RequestContext, obj: Object) -> Object:
        errors = _check_question(obj.get("spec") or {})
        if errors:
            raise invalid(context.spec.gvk, "", errors)
        return self._decided(obj, context.user)

    async def _rules_review(self, context: RequestContext, obj: Object) -> Object:
        namespace = (obj.get("spec") or {}).get("namespace") or ""
        if not namespace:
            raise BadRequest("no namespace on request")
        resources, paths = self._authorizer.rules(context.user, namespace)
        unresolved = self._authorizer.unresolved(context.user, namespace)
        status: Object = {
            "resourceRules": resources,
            "nonResourceRules": paths,
            "incomplete": bool(unresolved),
        }
        if unresolved:
            status["evaluationError"] = unresolved
        return {**obj, "status": status}

    async def _token_request(self, context: RequestContext, obj: Object) -> Object:
        spec = self._defaulted(obj.get("spec") or {})
        account = await self._caches.fetch(ACCOUNTS, context.namespace, context.name)
        if account is None:
            raise not_found(ACCOUNTS, context.name)
        bound, node = await self._bound(context, account, spec)
        if context.dry_run:
            return {**obj, "spec": spec, "status": {"token": "", "expirationTimestamp": None}}
        issued = self._tokens.issue(account, spec, bound=bound, node=node)
        return {
            **obj,
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {**(obj.get("metadata") or {}), "name": context.name, "namespace": context.namespace},
            "spec": spec,
            "status": {"token": issued.token, "expirationTimestamp": issued.expires},
        }

    def _defaulted(self, spec: Mapping[str, Any]) -> Object:
        seconds = spec.get("expirationSeconds")
        seconds = _DEFAULT_SECONDS if seconds is None else seconds
        field, errors = "spec.expirationSeconds", []
        if seconds < _LEAST_SECONDS:
            what = "may not specify a duration less than 10 minutes"
            errors.append(FieldError(field, "FieldValueInvalid", f"Invalid value: {seconds}: {what}"))
        if seconds > _MOST_SECONDS:
            what = "may not specify a duration larger than 2^32 seconds"
            errors.append(FieldError(field, "FieldValueInvalid", f"Invalid value: {seconds}: {what}"))
        if errors:
            raise invalid(_TOKEN_REQUEST, "", errors)
        return {
            **spec,
            "audiences": list(spec.get("audiences") or self._tokens.audiences),
            "expirationSeconds": seconds,
            "boundObjectRef": spec.get("boundObjectRef"),
        }

    async def _bound(
        self, context: RequestContext, account: Object, spec: Mapping[str, Any]
    ) -> tuple[Object | None, Object | None]:
        """(the object that a token is to be bound to, the node of it when it is a pod)."""
        ref = spec.get("boundObjectRef")
        if not ref:
            return None, None
        kind = str(ref.get("kind", ""))
        resource = _BINDABLE.get((str(ref.get("apiVersion", "")), kind))
        if resource is None:
            raise BadRequest(
                f"cannot bind token for serviceaccount {context.namespace + '/' + context.name!r} to object of type "
                f"{ref.get('apiVersion', '')}, Kind={kind}"
            )
        name = str(ref.get("name", ""))
        bound = await self._caches.fetch(resource, "" if kind == "Node" else context.namespace, name)
        if bound is None:
            raise not_found(resource, name)
        if kind == "Pod" and (bound.get("spec") or {}).get("serviceAccountName") != meta.name(account):
            used = (bound.get("spec") or {}).get("serviceAccountName", "")
            raise BadRequest(
                f"cannot bind token for serviceaccount {_quote(context.name)} to pod running with different "
                f"serviceaccount name {_quote(used)}"
            )
        wanted = ref.get("uid") or ""
        if wanted and wanted != meta.uid(bound):
            raise conflict(
                resource,
                name,
                f"the UID in the bound object reference ({wanted}) does not match the UID in record. "
                "The object might have been deleted and then recreated",
            )
        node = None
        if kind == "Pod" and (node_name := (bound.get("spec") or {}).get("nodeName")):
            node = await self._caches.fetch(_BINDABLE[("v1", "Node")], "", node_name)
        return bound, node

    def _decided(self, obj: Object, user: UserInfo) -> Object:
        decision = self._authorizer.authorize(_attributes(obj.get("spec") or {}, user))
        status: Object = {"allowed": decision.allowed}
        if decision.denied:
            status["denied"] = True
        if decision.reason:
            status["reason"] = decision.reason
        return {**obj, "status": status}


def user_document(user: UserInfo) -> Object:
    """authentication.k8s.io/v1 UserInfo; what is empty is left out."""
    document: Object = {"username": user.name}
    if user.uid:
        document["uid"] = user.uid
    if user.groups:
        document["groups"] = list(user.groups)
    if user.extra:
        document["extra"] = {key: list(values) for key, values in user.extra.items()}
    return document


def _quote(text: str) -> str:
    return f'"{text}"'


def _attributes(spec: Mapping[str, Any], user: UserInfo) -> Attributes:
    resource = spec.get("resourceAttributes")
    if resource is None:
        path = spec.get("nonResourceAttributes") or {}
        return Attributes(user=user, verb=path.get("verb", ""), path=path.get("path", ""))
    return Attributes(
        user=user,
        verb=resource.get("verb", ""),
        group=resource.get("group", ""),
        version=resource.get("version", ""),
        resource=resource.get("resource", ""),
        subresource=resource.get("subresource", ""),
        namespace=resource.get("namespace", ""),
        name=resource.get("name", ""),
        field_selector=(resource.get("fieldSelector") or {}).get("rawSelector", ""),
    )


def _subject(spec: Mapping[str, Any]) -> UserInfo:
    extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return UserInfo(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""), extra)


def _check_question(spec: Mapping[str, Any]) -> list[FieldError]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        what = "cannot be specified in combination with resourceAttributes"
        return [FieldError("spec.nonResourceAttributes", "FieldValueInvalid", f"Invalid value: {path}: {what}")]
    if resource is None and path is None:
        what = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [FieldError("spec.resourceAttributes", "FieldValueInvalid", f"Invalid value: null: {what}")]
    return []


def _check_subject(spec: Mapping[str, Any]) -> list[FieldError]:
    if spec.get("user") or spec.get("groups"):
        return []
    what = "at least one of user or group must be specified"
    return [FieldError("spec.user", "FieldValueInvalid", f'Invalid value: "": {what}')]
