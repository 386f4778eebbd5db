"""What an earlier `init` on the same directories settled.

Its files are kept, and an administrator may have edited them, so they are what counts: a later run takes from them
whatever it was not told, and refuses to be told otherwise. Were it not so, kubeconfigs would name ports that nobody
listens on.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from machinery import manifest
from machinery.client import kubeconfig
from pilothouse.init.settings import InitError, InitSettings


@dataclass(frozen=True, slots=True)
class _Setting:
    """Where a setting stands: init's flag, the field, the component's flag, and how to read that."""

    flag: str
    field: str
    component: str
    key: str
    read: Callable[[str], Any] = str


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


_SETTINGS = (
    _Setting("apiserver-advertise-address", "advertise_address", "apiserver", "advertise-address"),
    _Setting("apiserver-bind-port", "bind_port", "apiserver", "secure-port", int),
    _Setting("grpc-port", "grpc_port", "apiserver", "grpc-address", _port),
    _Setting("grpc-token-port", "grpc_token_port", "apiserver", "grpc-token-address", _port),
    _Setting("service-cidr", "service_cidr", "apiserver", "service-cluster-ip-range"),
    _Setting("etcd-port", "etcd_port", "etcdlite", "listen-client-urls", _port),
    _Setting("units-port", "units_port", "controllermgr", "grpc-address", _port),
    _Setting("pod-network-cidr", "pod_network_cidr", "controllermgr", "cluster-cidr"),
)


ETCD_FLAGS = ("etcd-cafile", "etcd-certfile", "etcd-keyfile", "etcd-prefix")


def settle(settings: InitSettings, *, given: Collection[str]) -> InitSettings:
    """The settings with what is in the component configuration and in `admin.conf` already.

    given: names of the flags that the user gave. Raises InitError when one of them says something else than the files,
    and for a file that is no configuration."""
    found: dict[str, Any] = {}
    documents = {name: _document(settings, name) for name in ("apiserver", "etcdlite", "controllermgr")}
    for setting in _SETTINGS:
        said = documents[setting.component].get(setting.key)
        if said is None:
            continue
        path = settings.config_file(setting.component)
        try:
            value = setting.read(str(said))
        except ValueError:
            raise InitError(f"{path}: {setting.key}: {said!r} cannot be understood") from None
        wanted = getattr(settings, setting.field)
        if setting.flag in given and wanted != value:
            raise _contradiction(setting.flag, wanted, path, f"{setting.key}: {said}")
        found[setting.field] = value
    if documents["apiserver"] and not documents["etcdlite"]:
        for flag in ("etcd-servers", *ETCD_FLAGS):
            field, said = flag.replace("-", "_"), documents["apiserver"].get(flag)
            if flag in given and getattr(settings, field) != (said or ""):
                raise _contradiction(
                    flag, getattr(settings, field), settings.config_file("apiserver"), f"{flag}: {said}"
                )
            if said is not None:
                found[field] = str(said)
    name = _cluster_name(settings)
    if name:
        if "name" in given and name != settings.cluster_name:
            raise InitError(
                f"--name={settings.cluster_name} does not fit {settings.kubeconfig('admin')}, whose cluster is "
                f'"{name}": choose another --config-dir and --data-dir for another cluster'
            )
        found["cluster_name"] = name
    return replace(settings, **found)


def _contradiction(flag: str, wanted: object, path: pathlib.Path, says: str) -> InitError:
    return InitError(
        f"--{flag}={wanted} does not fit {path}, which says {says}. "
        "Leave the flag out, edit the file, or choose another --config-dir and --data-dir"
    )


def store(settings: InitSettings) -> pathlib.Path:
    """The directory of our own store: what its configuration says, once there is one. Raises InitError."""
    return pathlib.Path(_document(settings, "etcdlite").get("data-dir") or settings.data_dir / "etcd")


def _document(settings: InitSettings, component: str) -> Mapping[str, Any]:
    path = settings.config_file(component)
    try:
        document = manifest.load(path.read_text(), source=str(path))
    except FileNotFoundError:
        return {}
    except manifest.ManifestError as error:
        raise InitError(str(error)) from None
    if not isinstance(document, dict):
        raise InitError(f"{path} holds no flags of {component}")
    return document


def _cluster_name(settings: InitSettings) -> str:
    path = settings.kubeconfig("admin")
    if not path.exists():
        return ""
    try:
        return kubeconfig.load(path).current_context
    except kubeconfig.KubeConfigError as error:
        raise InitError(str(error)) from None
