"""Message classes and method tables of our wire protocols, in a private descriptor pool.

A process may hold another etcd or CRI client with stubs of the same full names; the default pool would refuse the
second. So the build compiles `protos/**/*.proto` to one descriptor set, and this module loads it into a pool of its
own when the first message is asked for: until then nothing imports protobuf. Messages are `Any` to the type checker:
their shapes are the `.proto` files beside this one.

    kv = messages("etcdserverpb")
    request = kv.PutRequest(key=b"a", value=b"1")
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC: its full gRPC path, its message classes, and which sides stream."""

    name: str
    path: str
    request: Any
    reply: Any
    client_streaming: bool
    server_streaming: bool


class Messages:
    """The message classes and enum values of one proto package, by attribute."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __getattr__(self, name: str) -> Any:
        pool = _pool()
        full_name = f"{self._package}.{name}"
        try:
            found: Any = _class_of(pool.FindMessageTypeByName(full_name))
        except KeyError:
            try:
                found = pool.FindEnumTypeByName(full_name).values_by_name
            except KeyError:
                raise AttributeError(f"no message or enum {full_name} in protos/") from None
        setattr(self, name, found)
        return found


@functools.cache
def messages(package: str) -> Any:
    """The classes of one package: `messages("etcdserverpb").RangeRequest`. Enums answer a name -> value mapping."""
    return Messages(package)


@functools.cache
def service(full_name: str) -> Mapping[str, Method]:
    """The method table of one service, by RPC name. Raises KeyError for a service that `protos/` does not define."""
    descriptor = _pool().FindServiceByName(full_name)
    return {
        method.name: Method(
            name=method.name,
            path=f"/{full_name}/{method.name}",
            request=_class_of(method.input_type),
            reply=_class_of(method.output_type),
            client_streaming=method.client_streaming,
            server_streaming=method.server_streaming,
        )
        for method in descriptor.methods
    }


def files_of(name: str, *, symbol: bool) -> list[bytes]:
    """The serialized FileDescriptorProto of a file (`symbol`: of the file that defines a service, method, message or
    enum of this full name), followed by those of the files it imports. Raises KeyError."""
    pool = _pool()
    first = pool.FindFileContainingSymbol(name) if symbol else pool.FindFileByName(name)
    files: dict[str, bytes] = {}
    pending = [first]
    while pending:
        file = pending.pop(0)
        if file.name not in files:
            files[file.name] = file.serialized_pb
            pending += file.dependencies
    return list(files.values())


def _class_of(descriptor: Any) -> Any:
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(descriptor)


@functools.cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    packed = pathlib.Path(__file__).with_name("descriptors.binpb").read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(packed).file:
        pool.Add(file)
    return pool
