"""Where objects lie in the store: `/registry/RESOURCE/[NAMESPACE/]NAME`, as kube-apiserver lays them out.

Keys are said here without the part before RESOURCE, which is the server's own choice (`--etcd-prefix`) and known to
`storage.etcd` alone: several clusters share a store under different ones. Inside a resource, objects go by their
*path*: `NAMESPACE/NAME`, or `NAME` for cluster scope. It sorts as the keys do.
"""

from __future__ import annotations

from apiserver.resources.spec import ResourceSpec

DEFAULT_PREFIX = "/registry"


def root_of(prefix: str) -> bytes:
    """What every key of a server begins with: one slash before, one after, as upstream makes of its flag. Raises
    ValueError for a prefix that names nothing: it would share its keys with everybody."""
    parts = [part for part in prefix.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise ValueError(f"--etcd-prefix: {prefix!r} is no path")
    return f"/{'/'.join(parts)}/".encode()


def path_of(namespace: str, name: str) -> str:
    """An object's path inside its resource."""
    return f"{namespace}/{name}" if namespace else name


def split_path(path: str) -> tuple[str, str]:
    """(namespace, name) of a path; namespace "" for cluster scope."""
    namespace, slash, name = path.partition("/")
    return (namespace, name) if slash else ("", namespace)


def prefix_of(storage: str, namespace: str = "") -> bytes:
    """What the keys of a resource (in one namespace) begin with; ends with a slash."""
    return f"{storage}/{namespace}/".encode() if namespace else f"{storage}/".encode()


def key_of(spec: ResourceSpec, namespace: str, name: str) -> bytes:
    """The key of one object. Namespaced kinds need their namespace."""
    return f"{spec.storage}/{path_of(namespace, name)}".encode()


def range_end(prefix: bytes) -> bytes:
    """The end of the range of all keys with this prefix. A prefix ends with a slash, so its last byte can grow."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def storage_candidates(key: bytes) -> tuple[bytes, bytes]:
    """The two ways a key can be divided: (`pods`, `pods/ns`), (`services`, `services/specs`). The cache that exists for
    one of them owns the key: no resource's prefix is another's."""
    first, _, rest = key.partition(b"/")
    return first, first + b"/" + rest.partition(b"/")[0]
