"""Looks at an etcd before a cluster is started on it: who answers, whether they belong together, whether there is a
quorum, whose cluster is there.

One dead member is no reason not to start. None that answers, or a majority that does not, is told at once and with its
cause, rather than by a start that does not end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from actors import Clock
from apiserver.resources.registry import RESOURCES
from apiserver.storage.etcd import EtcdClient
from apiserver.storage.keys import key_of
from apiserver.storage.servers import EtcdServers
from machinery.errors import ApiError
from machinery.objects.gvk import GVR
from machinery.rpc.api import Channel, Code, RpcError
from machinery.rpc.stub import Stub
from protos.pool import messages

MEMBER_SECONDS = 3.0
"""How long a member may take to say how it is."""
QUORUM_SECONDS = 10.0
"""How long a majority may take to agree: an election and etcd's own time for a request."""


_SIGNS = (
    ("errors resolving ", "its host is not known"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not of an authority in --etcd-cafile"),
    ("TSI_DATA_CORRUPTED", "it does not accept the certificate of --etcd-certfile, or wants one"),
    ("Hostname Verification", "its certificate is not for this host"),
    ("WRONG_VERSION_NUMBER", "it speaks no TLS"),
    ("Socket closed", "it ends the connection; is it http:// or https://?"),
    ("Connection reset", "it ends the connection; is it http:// or https://?"),
)
"""What gRPC says, and what that means here."""


class StoreUnreachable(Exception):
    """It cannot be used. The text names the endpoints and the cause."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is there. silent: why, by URL, of the members that do not answer.

    authority: the certificates (PEM) that pods of the cluster in it trust the API by; "" when there is none yet."""

    silent: Mapping[str, str]
    authority: str


async def examine(servers: EtcdServers, *, prefix: str, clock: Clock) -> Found:
    """Raises StoreUnreachable, and TlsError for certificates that cannot be used."""
    answers = dict(zip(servers.urls, await asyncio.gather(*map(_ask, map(servers.member, servers.urls))), strict=True))
    silent = {url: answer for url, answer in answers.items() if isinstance(answer, str)}
    if len(silent) == len(servers.urls):
        raise StoreUnreachable("; ".join(f"{url}: {why}" for url, why in silent.items()))
    live = tuple(url for url in servers.urls if url not in silent)
    if len({answers[url] for url in live}) > 1:
        named = ", ".join(f"{url} is of cluster {answers[url]:x}" for url in live)
        raise StoreUnreachable(f"not the members of one etcd: {named}; name those of one")
    channel = EtcdServers(live, servers.files).channel(clock)
    try:
        root_ca = key_of(RESOURCES[GVR("", "v1", "configmaps")], "kube-system", "kube-root-ca.crt")
        found = await EtcdClient(channel, clock, prefix=prefix).get(root_ca, timeout=QUORUM_SECONDS)
    except ApiError as error:
        cause = error.message.removeprefix("the store does not answer: ")
        if "deadline" in cause.lower():
            cause = f"nothing within {QUORUM_SECONDS:g} s"
        rest = "".join(f"; {url}: {why}" for url, why in silent.items())
        raise StoreUnreachable(f"{', '.join(live)}: no quorum answers: {cause}{rest}") from None
    finally:
        await channel.close()
    return Found(silent, _authority(found.value) if found else "")


async def _ask(channel: Channel) -> int | str:
    """The id of a member's cluster, or why it does not answer."""
    request = messages("etcdserverpb").StatusRequest()
    try:
        reply = await Stub(channel, "etcdserverpb.Maintenance").Status(request, timeout=MEMBER_SECONDS)
        return int(reply.header.cluster_id)
    except RpcError as error:
        return cause_of(error)
    finally:
        await channel.close()


def cause_of(error: RpcError) -> str:
    """Why a call failed, in a few words."""
    if error.code is Code.DEADLINE_EXCEEDED:
        return f"it does not answer within {MEMBER_SECONDS:g} s"
    for sign, meaning in _SIGNS:
        if sign in error.message:
            return meaning
    reason = error.message.rpartition(": ")[2] or error.code.name
    return reason[:1].lower() + reason[1:]


def _authority(value: bytes) -> str:
    try:
        return str(orjson.loads(value)["data"]["ca.crt"])
    except (ValueError, KeyError, TypeError):
        return ""
