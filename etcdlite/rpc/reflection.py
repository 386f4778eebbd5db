"""Server reflection, in its versions v1 and v1alpha: what this server serves, for clients that know nothing of it.

The descriptors come from our private pool, so that no other pool of the process hears of our messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

from machinery.rpc.api import Call, Code
from protos.pool import files_of, messages

VERSIONS = ("v1", "v1alpha")


class Reflection:
    """version: one of VERSIONS. services: the full names of what is served, asked for at each call."""

    def __init__(self, version: str, services: Callable[[], Collection[str]]) -> None:
        self._pb = messages(f"grpc.reflection.{version}")
        self._services = services

    async def ServerReflectionInfo(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        async for request in requests:
            reply = self._pb.ServerReflectionResponse(valid_host=request.host, original_request=request)
            kind = request.WhichOneof("message_request")
            asked = getattr(request, kind) if kind else ""
            if kind == "list_services":
                listed = [self._pb.ServiceResponse(name=name) for name in sorted(self._services())]
                reply.list_services_response.service.extend(listed)
            elif kind in ("file_by_filename", "file_containing_symbol"):
                try:
                    found = files_of(asked, symbol=kind == "file_containing_symbol")
                except KeyError:
                    self._refuse(reply, Code.NOT_FOUND, f"{asked}: not found")
                else:
                    reply.file_descriptor_response.file_descriptor_proto.extend(found)
            elif kind in ("file_containing_extension", "all_extension_numbers_of_type"):
                # proto3 messages, which these all are, have no extensions.
                self._refuse(reply, Code.NOT_FOUND, "no extensions are defined")
            else:
                self._refuse(reply, Code.INVALID_ARGUMENT, "the request asks for nothing")
            yield reply

    def _refuse(self, reply: Any, code: Code, text: str) -> None:
        reply.error_response.error_code = code
        reply.error_response.error_message = text
