"""What the gRPC client sends, and what it makes of answers and errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from machinery import errors
from machinery.client.api import DeleteOptions, PatchType
from machinery.client.grpc import STATUS_TRAILER, ApiClient
from machinery.client.resources import DEPLOYMENTS, PODS
from machinery.rpc import Call, Code, LocalChannel, RpcError
from protos.pool import messages

PB = messages("pilot.v1")


class Service:
    """Answers what it is told to, and remembers the request."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.request: Any = None
        self.call: Call | None = None

    def __getattr__(self, name: str) -> Any:
        async def rpc(request: Any, call: Call) -> Any:
            self.request, self.call = request, call
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return rpc

    async def Watch(self, request: Any, call: Call) -> AsyncIterator[Any]:
        self.request, self.call = request, call
        for answer in self.answer:
            if isinstance(answer, Exception):
                raise answer
            yield answer


def client_of(service: Service, **settings: Any) -> ApiClient:
    return ApiClient(LocalChannel({"pilot.v1.API": service}), **settings)


def reply(obj: dict[str, Any], *warnings: str) -> Any:
    return PB.ObjectReply(object=orjson.dumps(obj), warnings=warnings)


async def test_an_object_goes_and_comes_with_its_namespace_and_name() -> None:
    service = Service(reply({"kind": "Deployment"}, "deprecated", "deprecated"))
    client = client_of(service, user_agent="tests/1", token="secret")
    obj = {"metadata": {"namespace": "ns", "name": "d"}}
    assert await client.update(DEPLOYMENTS, obj, subresource="status") == {"kind": "Deployment"}
    request = service.request
    assert (request.resource.group, request.resource.version, request.resource.resource) == DEPLOYMENTS
    assert (request.namespace, request.name, request.subresource) == ("ns", "d", "status")
    assert orjson.loads(request.object) == obj
    assert service.call is not None
    assert service.call.metadata["authorization"] == "Bearer secret"
    assert client.take_warnings() == ["deprecated"]
    assert client.take_warnings() == []


async def test_who_listens_is_told_each_warning_as_it_comes() -> None:
    told: list[str] = []
    client = client_of(Service(reply({"kind": "Deployment"}, "deprecated")), warned=told.append)
    await client.get(DEPLOYMENTS, "d", namespace="ns")
    assert told == ["deprecated"]
    assert client.take_warnings() == []


async def test_a_list_is_a_page_whose_items_know_their_kind() -> None:
    document = {
        "kind": "PodList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "9", "continue": "more", "remainingItemCount": 3},
        "items": [{"metadata": {"name": "p"}}],
    }
    page = await client_of(Service(PB.ListReply(list=orjson.dumps(document)))).list(PODS, limit=1)
    assert page.items == [{"metadata": {"name": "p"}, "kind": "Pod", "apiVersion": "v1"}]
    assert (page.resource_version, page.continue_token, page.remaining) == ("9", "more", 3)


async def test_patches_and_deletions_carry_their_options() -> None:
    service = Service(reply({}))
    client = client_of(service)
    await client.patch(PODS, "p", {"metadata": None}, PatchType.MERGE, namespace="ns")
    assert service.request.content_type == "application/merge-patch+json"
    assert orjson.loads(service.request.patch) == {"metadata": None}
    await client.delete(PODS, "p", namespace="ns", options=DeleteOptions(grace_period_seconds=0, uid="u"))
    assert orjson.loads(service.request.options) == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": "u"},
    }


async def test_a_status_in_the_trailer_is_the_error_it_says() -> None:
    sent = errors.already_exists(PODS, "p")
    service = Service(RpcError(Code.ALREADY_EXISTS, "x", trailers={STATUS_TRAILER: orjson.dumps(sent.status())}))
    with pytest.raises(errors.AlreadyExists) as raised:
        await client_of(service).create(PODS, {"metadata": {"name": "p"}})
    assert raised.value.status() == sent.status()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (Code.UNAVAILABLE, errors.ServiceUnavailable),
        (Code.DEADLINE_EXCEEDED, errors.Timeout),
        (Code.UNAUTHENTICATED, errors.Unauthorized),
        (Code.PERMISSION_DENIED, errors.Forbidden),
        (Code.OUT_OF_RANGE, errors.Gone),
        (Code.UNIMPLEMENTED, errors.NotImplementedByServer),
        (Code.DATA_LOSS, errors.InternalError),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_without_one_the_code_decides(code: Code, error: type[errors.ApiError]) -> None:
    with pytest.raises(error, match="why"):
        await client_of(Service(RpcError(code, "why"))).get(PODS, "p", namespace="ns")


async def test_a_watch_gives_events_in_order_and_raises_the_error_event() -> None:
    def event(kind: str, obj: dict[str, Any]) -> Any:
        return PB.WatchEvent(type=kind, object=orjson.dumps(obj))

    gone = errors.Gone("too old resource version")
    service = Service(
        [
            PB.WatchReply(events=[event("ADDED", {"n": 1}), event("MODIFIED", {"n": 2})]),
            PB.WatchReply(events=[event("BOOKMARK", {"n": 3}), event("ERROR", gone.status())]),
        ]
    )
    events = client_of(service).watch(PODS, resource_version="5", allow_bookmarks=True)
    seen = [await anext(events) for _ in range(3)]
    with pytest.raises(errors.Gone, match="too old"):
        await anext(events)
    assert [(each.type, each.object["n"]) for each in seen] == [("ADDED", 1), ("MODIFIED", 2), ("BOOKMARK", 3)]
    assert service.request.options.resource_version == "5"
    assert service.request.allow_bookmarks


async def test_a_watch_that_breaks_raises_what_the_transport_says() -> None:
    service = Service([RpcError(Code.UNAVAILABLE, "gone away")])
    with pytest.raises(errors.ServiceUnavailable):
        await anext(client_of(service).watch(PODS))
