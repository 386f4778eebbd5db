"""Where objects lie in the store: `/registry/RESOURCE/[NAMESPACE/]NAME`, as kube-apiserver lays them out.

Inside a resource, objects go by their *path*: `NAMESPACE/NAME`, or `NAME` for cluster scope. It sorts as the keys do.
"""

from __future__ import annotations

from apiserver.resources.spec import ResourceSpec

ROOT = b"/registry/"


def path_of(namespace: str, name: str) -> str:
    """An object's path inside its resource."""
    return f"{namespace}/{name}" if namespace else name


def split_path(path: str) -> tuple[str, str]:
    """(namespace, name) of a path; namespace "" for cluster scope."""
    namespace, slash, name = path.partition("/")
    return (namespace, name) if slash else ("", namespace)


def prefix_of(storage: str, namespace: str = "") -> bytes:
    """What the keys of a resource (in one namespace) begin with; ends with a slash."""
    return f"/registry/{storage}/{namespace}/".encode() if namespace else f"/registry/{storage}/".encode()


def key_of(spec: ResourceSpec, namespace: str, name: str) -> bytes:
    """The key of one object. Namespaced kinds need their namespace."""
    return f"/registry/{spec.storage}/{path_of(namespace, name)}".encode()


def range_end(prefix: bytes) -> bytes:
    """The end of the range of all keys with this prefix. A prefix ends with a slash, so its last byte can grow."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def storage_candidates(key: bytes) -> tuple[bytes, bytes]:
    """The two ways a key can be divided: (`pods`, `pods/ns`), (`services`, `services/specs`). The cache that exists for
    one of them owns the key: no resource's prefix is another's."""
    tail = key[len(ROOT) :]
    first, _, rest = tail.partition(b"/")
    return first, first + b"/" + rest.partition(b"/")[0]
