"""pods/log: find the pod, the container and the node, then pass on what the node's agent sends.

Rules and texts: kube-apiserver `registry/core/pod/strategy.go` (LogLocation) and the validation of PodLogOptions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from apiserver.verbs.context import RequestContext
from apiserver.verbs.gate import enter
from apiserver.verbs.parts import Parts
from machinery.errors import BadRequest, FieldError, invalid, not_found
from machinery.objects import meta, timefmt
from machinery.objects.gvk import GVK

Object = dict[str, Any]

LOG_OPTIONS = GVK("", "v1", "PodLogOptions")
_FLAGS = ("follow", "previous", "timestamps", "insecureSkipTLSVerifyBackend")
_NUMBERS = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True", ""), ("0", "f", "F", "FALSE", "false", "False")


async def logs(parts: Parts, context: RequestContext, options: Mapping[str, str]) -> AsyncIterator[bytes]:
    """See `api.Verbs.logs`."""
    enter(parts, context)
    parsed = parse(options)
    stored = await parts.store.read(context.spec, context.namespace, context.name)
    if stored is None:
        raise not_found(context.spec.gvr, context.name)
    pod = stored.obj
    container = container_of(pod, str(parsed.get("container", "")))
    node = pod["spec"].get("nodeName", "")
    if not node:
        # A pod that no node has has no log yet: an empty one, as upstream answers.
        return _nothing()
    params = {
        "namespace": context.namespace,
        "pod": context.name,
        "uid": meta.uid(pod),
        "container": container,
        "options": {**parsed, "container": container},
    }
    return parts.nodes.open(node, "logs", params)


def parse(options: Mapping[str, str]) -> Object:
    """PodLogOptions of a query string. Raises BadRequest for what does not parse, Invalid for what makes no sense."""
    parsed: Object = {}
    errors: list[FieldError] = []
    for key, text in options.items():
        if key in _FLAGS:
            parsed[key] = _flag(key, text)
        elif key in _NUMBERS:
            parsed[key] = number = _number(key, text)
            if number < _NUMBERS[key]:
                errors.append(_out_of_range(key, number, _NUMBERS[key]))
        elif key == "sinceTime":
            parsed[key] = _time(text)
        elif key in ("container", "stream"):
            parsed[key] = text
    if "sinceSeconds" in parsed and "sinceTime" in parsed:
        message = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        errors.append(FieldError("sinceSeconds", "FieldValueForbidden", message))
    if errors:
        raise invalid(LOG_OPTIONS, "", errors)
    return parsed


def container_of(pod: Object, asked: str) -> str:
    """The container whose log is meant. Raises BadRequest when that is not clear, or there is no such one."""
    spec, name = pod["spec"], meta.name(pod)
    groups = [[each["name"] for each in spec.get(key) or []] for key in _CONTAINER_LISTS]
    main, init, ephemeral = groups
    if asked:
        if asked not in (*main, *init, *ephemeral):
            raise BadRequest(f"container {asked} is not valid for pod {name}")
        return asked
    default = meta.annotation(pod, "kubectl.kubernetes.io/default-container")
    if default in main:
        return str(default)
    if len(main) == 1 and not init and not ephemeral:
        return str(main[0])
    if len(main) == 1:
        return str(main[0])
    choices = f"a container name must be specified for pod {name}, choose one of: [{' '.join(main)}]"
    if init:
        choices += f" or one of the init containers: [{' '.join(init)}]"
    if ephemeral:
        choices += f" or one of the ephemeral containers: [{' '.join(ephemeral)}]"
    raise BadRequest(choices)


_CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")


def _out_of_range(key: str, number: int, least: int) -> FieldError:
    message = f"Invalid value: {number}: must be greater than " + ("or equal to 0" if least == 0 else "0")
    return FieldError(key, "FieldValueInvalid", message)


def _flag(key: str, text: str) -> bool:
    if text not in _TRUE and text not in _FALSE:
        raise BadRequest(f'{key}: strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in _TRUE


def _number(key: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadRequest(f'{key}: strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _time(text: str) -> str:
    try:
        timefmt.parse(text)
    except ValueError as error:
        raise BadRequest(f"sinceTime: {error}") from None
    return text


async def _nothing() -> AsyncIterator[bytes]:
    chunks: tuple[bytes, ...] = ()
    for chunk in chunks:
        yield chunk
