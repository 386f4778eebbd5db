from __future__ import annotations

import orjson
import pytest

from apiserver.storage import continue_token
from apiserver.storage.codec import decode, encode, respliced, splice
from apiserver.storage.continue_token import ContinueToken
from apiserver.storage.errors import Compacted, FutureRevision, Unconfirmed, translated, unconfirmed
from apiserver.storage.keys import prefix_of, range_end, root_of, split_path, storage_candidates
from machinery.errors import ApiError, BadRequest, InternalError, RequestTooLarge, ServiceUnavailable
from machinery.rpc import Code, RpcError

OBJ = {
    "spec": {"metadata": {"x": 1}},
    "metadata": {"name": "a", "resourceVersion": "7"},
    "kind": "K",
    "apiVersion": "v1",
}


def test_the_stored_form_has_its_own_order_and_no_version() -> None:
    value = encode(OBJ)
    assert value.startswith(b'{"apiVersion":"v1","kind":"K","metadata":{"name":"a"},')
    assert OBJ["metadata"] == {"name": "a", "resourceVersion": "7"}
    body = splice(value, 12)
    assert orjson.loads(body) == {**OBJ, "metadata": {"name": "a", "resourceVersion": "12"}}
    assert decode(respliced(body, 12345))["metadata"]["resourceVersion"] == "12345"
    assert respliced(respliced(body, 9), 12) == body


def test_continue_tokens() -> None:
    for token in (ContinueToken("ns/name", 5), ContinueToken("ns/name", None)):
        assert continue_token.decode(token.encode()) == token
    for bad in ("", "x", "e30", ContinueToken("a", 5).encode()[:-4]):
        with pytest.raises(BadRequest, match="continue key is not valid"):
            continue_token.decode(bad)


def test_keys() -> None:
    assert prefix_of("services/specs", "ns") == b"services/specs/ns/"
    assert range_end(b"pods/") == b"pods0"
    assert storage_candidates(b"pods/ns/a") == (b"pods", b"pods/ns")
    assert storage_candidates(b"services/specs/ns/a") == (b"services", b"services/specs")
    assert split_path("ns/a") == ("ns", "a") and split_path("a") == ("", "a")


@pytest.mark.parametrize(
    ("code", "message", "meaning"),
    [
        (Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", Compacted),
        (Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision", FutureRevision),
        (Code.UNAVAILABLE, "connection refused", ServiceUnavailable),
        (Code.DEADLINE_EXCEEDED, "Deadline Exceeded", ServiceUnavailable),
        (Code.INVALID_ARGUMENT, "etcdserver: request is too large", RequestTooLarge),
        (Code.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", InternalError),
    ],
)
def test_what_the_store_says(code: Code, message: str, meaning: type[Exception]) -> None:
    assert type(translated(RpcError(code, message))) is meaning


@pytest.mark.parametrize(
    ("code", "message", "meaning"),
    [
        (Code.UNAVAILABLE, "failed to connect to all addresses; last error: Connection refused", ServiceUnavailable),
        (Code.UNAVAILABLE, "errors resolving etcd-1:2379: not found", ServiceUnavailable),
        (Code.UNAVAILABLE, "Socket closed", Unconfirmed),
        (Code.UNAVAILABLE, "etcdserver: request timed out", Unconfirmed),
        (Code.UNAVAILABLE, "etcdserver: server stopped", Unconfirmed),
        (Code.DEADLINE_EXCEEDED, "Deadline Exceeded", Unconfirmed),
        (Code.INVALID_ARGUMENT, "etcdserver: request is too large", RequestTooLarge),
        (Code.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", InternalError),
    ],
)
def test_a_write_that_may_have_been_made_is_not_to_be_sent_again(
    code: Code, message: str, meaning: type[ApiError]
) -> None:
    said = unconfirmed(RpcError(code, message))
    assert type(said) is meaning
    assert isinstance(said, ApiError)
    assert bool(said.retry_after) is (meaning is ServiceUnavailable)


@pytest.mark.parametrize(
    ("prefix", "root"),
    [("/registry", b"/registry/"), ("registry", b"/registry/"), ("/a//b/", b"/a/b/"), ("/./k8s", b"/k8s/")],
)
def test_the_root_of_a_prefix(prefix: str, root: bytes) -> None:
    assert root_of(prefix) == root


@pytest.mark.parametrize("prefix", ["", "/", "//", "/a/../b", "."])
def test_a_prefix_that_is_none(prefix: str) -> None:
    with pytest.raises(ValueError, match="--etcd-prefix"):
        root_of(prefix)
