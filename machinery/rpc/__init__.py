"""Calls to services over any transport: `Stub` over a `Channel`, served by plain objects.

`grpc_channel` and `server` import grpc, which costs 100 ms: they are imported where a socket is really used.
"""

from machinery.rpc.api import Call, Channel, Code, Peer, RpcError
from machinery.rpc.local import LocalChannel
from machinery.rpc.stub import Stub

__all__ = ["Call", "Channel", "Code", "LocalChannel", "Peer", "RpcError", "Stub"]
