"""Scale, binding, eviction, token, approval, log, and what else is written beside the object itself."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from apiserver.auth.config import AuthConfig
from apiserver.config import Config
from machinery.client.api import PatchType
from machinery.client.grpc import ApiClient
from machinery.errors import (
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
)
from machinery.objects import conditions
from machinery.objects.gvk import GVR
from machinery.pki.request import signing_request
from machinery.rpc import LocalChannel, Peer, RpcError, Stub
from pilothouse.pki import service_account_key
from protos.pool import messages
from tests.support.inprocess import ACCOUNTS, DEPLOYMENTS, PODS, Server, deployment, pod, serving

BUDGETS = GVR("policy", "v1", "poddisruptionbudgets")
REQUESTS = GVR("certificates.k8s.io", "v1", "certificatesigningrequests")
Object = dict[str, Any]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    config = Config(
        auth=AuthConfig(service_account_key=service_account_key()[0]),
        admission_plugins_off=frozenset({"ServiceAccount"}),
    )
    async with serving(config) as running:
        yield running


async def test_scale(server: Server) -> None:
    client = server.client()
    await client.create(DEPLOYMENTS, deployment("web", replicas=2))
    scale = await client.get(DEPLOYMENTS, "web", namespace="default", subresource="scale")
    assert scale["kind"] == "Scale" and scale["spec"] == {"replicas": 2}
    assert scale["status"] == {"replicas": 0, "selector": "app=web"}
    scale["spec"]["replicas"] = 5
    written = await client.update(DEPLOYMENTS, scale, subresource="scale")
    assert written["spec"] == {"replicas": 5}
    with pytest.raises(Conflict, match="the object has been modified"):
        await client.update(DEPLOYMENTS, scale, subresource="scale")
    patch = {"spec": {"replicas": 3}}
    await client.patch(DEPLOYMENTS, "web", patch, PatchType.MERGE, namespace="default", subresource="scale")
    found = await client.get(DEPLOYMENTS, "web", namespace="default")
    assert found["spec"]["replicas"] == 3 and found["metadata"]["generation"] == 3
    patch = {"spec": {"replicas": -1}}
    with pytest.raises(Invalid, match="must be greater than or equal to 0"):
        await client.patch(DEPLOYMENTS, "web", patch, PatchType.MERGE, namespace="default", subresource="scale")


def binding(pod_name: str, node: str) -> Object:
    return {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod_name}, "target": {"name": node}}


async def test_a_pod_is_bound_once(server: Server) -> None:
    client = server.client()
    await client.create(PODS, pod("a"))

    async def bind(node: str) -> Object:
        return await client.create(PODS, binding("a", node), namespace="default", name="a", subresource="binding")

    assert (await bind("n1"))["status"] == "Success"
    found = await client.get(PODS, "a", namespace="default")
    assert found["spec"]["nodeName"] == "n1"
    assert conditions.is_true(found, "PodScheduled")
    with pytest.raises(Conflict, match='pod a is already assigned to node "n1"'):
        await bind("n2")
    with pytest.raises(Invalid, match=r"target\.name: Required value"):
        await bind("")
    with pytest.raises(NotFound, match='pods "b" not found'):
        await client.create(PODS, binding("b", "n1"), namespace="default", name="b", subresource="binding")


async def test_evictions_spend_the_budget(server: Server) -> None:
    client = server.client()
    for name in ("a", "b"):
        made = await client.create(PODS, {**pod(name, node="n1")})
        made["metadata"]["labels"] = {"app": "x"}
        made = await client.update(PODS, made)
        made["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        await client.update(PODS, made, subresource="status")
    budget = await client.create(
        BUDGETS,
        {"metadata": {"name": "x"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}},
        namespace="default",
    )

    async def evict(name: str) -> Object:
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        return await client.create(PODS, body, namespace="default", name=name, subresource="eviction")

    with pytest.raises(TooManyRequests) as caught:
        await evict("a")
    assert caught.value.retry_after == 10  # no controller has looked at the budget yet
    budget["status"] = {
        "observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2
    }  # fmt: skip
    await client.update(BUDGETS, budget, subresource="status")
    assert (await evict("a"))["status"] == "Success"
    assert (await client.get(PODS, "a", namespace="default"))["metadata"]["deletionTimestamp"]
    with pytest.raises(TooManyRequests) as caught:
        await evict("b")
    assert caught.value.message == "Cannot evict pod as it would violate the pod's disruption budget."
    assert caught.value.details["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget x needs 1 healthy pods and has 2 currently",
        }
    ]
    spent = await client.get(BUDGETS, "x", namespace="default")
    assert spent["status"]["disruptionsAllowed"] == 0 and list(spent["status"]["disruptedPods"]) == ["a"]


async def test_a_token_for_a_service_account(server: Server) -> None:
    client = server.client()
    await client.create(ACCOUNTS, {"metadata": {"name": "robot"}}, namespace="default")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    answer = await client.create(ACCOUNTS, request, namespace="default", name="robot", subresource="token")
    token = answer["status"]["token"]
    robot = ApiClient(LocalChannel(server.api.services()), token=token)
    with pytest.raises(Forbidden, match="system:serviceaccount:default:robot"):
        await robot.list(PODS, namespace="default")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    reviewed = await client.create(GVR("authentication.k8s.io", "v1", "tokenreviews"), review)
    assert reviewed["status"]["user"]["username"] == "system:serviceaccount:default:robot"
    with pytest.raises(NotFound, match='serviceaccounts "nobody" not found'):
        await client.create(ACCOUNTS, request, namespace="default", name="nobody", subresource="token")


async def test_certificates_are_approved_and_signed_apart(server: Server) -> None:
    client = server.client()
    pem, _ = signing_request("system:node:n1", ["system:nodes"])
    spec = {
        "request": base64.b64encode(pem).decode(),
        "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
        "usages": ["client auth", "digital signature"],
    }
    made = await client.create(REQUESTS, {"metadata": {"name": "n1"}, "spec": spec})
    assert made["spec"]["username"] == "admin"
    approved = {"type": "Approved", "status": "True", "reason": "ByHand", "message": "known"}
    made["status"] = {"conditions": [approved], "certificate": base64.b64encode(b"x").decode()}
    written = await client.update(REQUESTS, made, subresource="approval")
    assert conditions.is_true(written, "Approved") and "certificate" not in written["status"]
    masters, _ = signing_request("root", ["system:masters"])
    spec = {**spec, "request": base64.b64encode(masters).decode(), "signerName": "kubernetes.io/kube-apiserver-client"}
    with pytest.raises(Forbidden, match="with system:masters group is not allowed"):
        await client.create(REQUESTS, {"metadata": {"name": "root"}, "spec": spec})


class Agent:
    """The node's end of the tunnel, answering every log request with the same lines."""

    def __init__(self, server: Server, *nodes: str, user: str = "system:node:n1") -> None:
        self.pb = messages("pilot.v1")
        self.asked: list[Object] = []
        self.closed: list[int] = []
        self._out: asyncio.Queue[Any] = asyncio.Queue()
        channel = LocalChannel(server.api.services(), peer=Peer(user, ("system:nodes",)))
        self._stub = Stub(channel, "pilot.v1.Tunnel")
        self._out.put_nowait(self.pb.FromNode(hello=self.pb.Hello(node_names=nodes)))
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        async def outgoing() -> AsyncIterator[Any]:
            while True:
                yield await self._out.get()

        async for message in self._stub.Connect(outgoing()):
            self._answer(message)

    def _answer(self, message: Any) -> None:
        if message.WhichOneof("message") == "close":
            self.closed.append(message.channel)
            return
        if message.WhichOneof("message") is None:  # the stream is known
            return
        params = orjson.loads(message.open.params)
        self.asked.append(params)
        if params["container"] == "broken":
            close = self.pb.Close(code=404, reason="NotFound", message="the container has not started")
            self._out.put_nowait(self.pb.FromNode(channel=message.channel, close=close))
            return
        for line in (b"one\n", b"two\n"):
            self._out.put_nowait(self.pb.FromNode(channel=message.channel, data=line))
        if not params["options"].get("follow"):
            self._out.put_nowait(self.pb.FromNode(channel=message.channel, close=self.pb.Close()))

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, RpcError):
            await self._task


async def log_of(client: ApiClient, name: str, **options: str | int | bool) -> bytes:
    return b"".join([chunk async for chunk in client.logs("default", name, options)])


async def test_logs_come_through_the_tunnel(server: Server) -> None:
    client = server.client()
    await client.create(PODS, pod("a", node="n1", initContainers=[{"name": "broken", "image": "i"}]))
    with pytest.raises(ServiceUnavailable, match="no agent of node n1 is connected"):
        await log_of(client, "a")
    agent = Agent(server, "n1")
    await asyncio.sleep(0.01)
    assert await log_of(client, "a", tailLines=2) == b"one\ntwo\n"
    assert agent.asked[0]["container"] == "main" and agent.asked[0]["options"]["tailLines"] == 2
    with pytest.raises(NotFound, match="the container has not started"):
        await log_of(client, "a", container="broken")
    with pytest.raises(BadRequest, match="container nope is not valid for pod a"):
        await log_of(client, "a", container="nope")
    with pytest.raises(Invalid, match="tailLines: Invalid value: -1: must be greater than or equal to 0"):
        await log_of(client, "a", tailLines=-1)
    with pytest.raises(NotFound, match='pods "b" not found'):
        await log_of(client, "b")
    await client.create(PODS, pod("unbound"))
    assert await log_of(client, "unbound") == b""
    await agent.stop()


async def test_who_stops_reading_a_log_ends_it_on_the_node(server: Server) -> None:
    client = server.client()
    await client.create(PODS, pod("a", node="n1"))
    agent = Agent(server, "n1")
    await asyncio.sleep(0.01)
    following = client.logs("default", "a", {"follow": True})
    assert await anext(following) == b"one\n"
    await following.aclose()  # type: ignore[attr-defined]  # it is a generator
    await asyncio.sleep(0.01)
    assert agent.closed == [1]
    second = client.logs("default", "a", {"follow": True})
    assert await anext(second) == b"one\n"
    await agent.stop()
    with pytest.raises(ServiceUnavailable, match="the connection to the node's agent broke"):
        _ = [chunk async for chunk in second]


async def test_an_agent_speaks_for_its_own_node_only(server: Server) -> None:
    agent = Agent(server, "n2", user="system:node:n1")
    await asyncio.sleep(0.01)
    with pytest.raises(RpcError, match='may not speak for the node "n2"'):
        await agent._task


async def test_several_containers_need_a_name(server: Server) -> None:
    client = server.client()
    two = [{"name": "x", "image": "i"}, {"name": "y", "image": "i"}]
    await client.create(PODS, pod("two", node="n1", containers=two))
    with pytest.raises(BadRequest) as caught:
        await log_of(client, "two")
    assert caught.value.message == "a container name must be specified for pod two, choose one of: [x y]"


async def test_ephemeral_containers(server: Server) -> None:
    client = server.client()
    made = await client.create(PODS, pod("a", node="n1"))
    made["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "busybox"}]
    made["spec"]["containers"][0]["image"] = "other"
    written = await client.update(PODS, made, subresource="ephemeralcontainers")
    assert [each["name"] for each in written["spec"]["ephemeralContainers"]] == ["debug"]
    assert written["spec"]["containers"][0]["image"] == "busybox"


async def test_who_am_i_and_may_i(server: Server) -> None:
    client = server.client("alice", "developers", "system:authenticated")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await client.create(GVR("authentication.k8s.io", "v1", "selfsubjectreviews"), review)
    assert answer["status"]["userInfo"]["username"] == "alice"
    question = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "default"}},
    }
    answer = await client.create(GVR("authorization.k8s.io", "v1", "selfsubjectaccessreviews"), question)
    assert answer["status"]["allowed"] is False


async def test_acting_as_somebody_else_over_grpc(server: Server) -> None:
    pb = messages("pilot.v1")
    request = pb.ListRequest(resource=pb.Resource(version="v1", resource="pods"), namespace="default")
    channel = LocalChannel(server.api.services(), peer=Peer("admin", ("system:masters",)))
    stub = Stub(channel, "pilot.v1.API")
    assert (await stub.List(request)).list
    with pytest.raises(RpcError, match='User "bob" cannot list resource "pods"'):
        await stub.List(request, metadata={"impersonate-user": "bob", "impersonate-group": "people"})
    assert (await stub.List(request, metadata={"impersonate-user": "x", "impersonate-group": "system:masters"})).list


async def test_errors_keep_their_status_over_grpc(server: Server) -> None:
    with pytest.raises(ApiError) as caught:
        await server.client().get(PODS, "nobody", namespace="default")
    status = caught.value.status()
    assert (status["code"], status["reason"]) == (404, "NotFound")
    assert status["details"] == {"name": "nobody", "kind": "pods"}
