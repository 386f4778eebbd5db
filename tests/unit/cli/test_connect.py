"""Where a command connects to: the context's address, or the one of `--server`."""

from __future__ import annotations

import pathlib

import pytest
import yaml

from cli.command import GLOBAL_FLAGS
from cli.connect import choose
from cli.errors import UsageError
from cli.flags import parse
from machinery.client import kubeconfig
from machinery.client.kubeconfig import GRPC_EXTENSION, KubeConfig


@pytest.fixture
def config(tmp_path: pathlib.Path) -> KubeConfig:
    addresses = {"address": "192.0.2.1:7443", "tokenAddress": "192.0.2.1:8443", "unitsAddress": "192.0.2.1:9443"}
    extension = {"name": GRPC_EXTENSION, "extension": addresses}
    cluster = {"server": "https://192.0.2.1:6443", "extensions": [extension]}
    file = tmp_path / "config"
    file.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    return kubeconfig.load(str(file))


@pytest.mark.parametrize("server", ["127.0.0.1:8443", "[::1]:8443", "host.example:1", "unix:/run/api.sock"])
def test_an_address_is_taken_and_steers_the_units_too(config: KubeConfig, server: str) -> None:
    assert choose(config, parse([], GLOBAL_FLAGS)).units == "192.0.2.1:9443"
    assert choose(config, parse(["--server", server], GLOBAL_FLAGS)).units == ""


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("https://127.0.0.1:31443", "--server must be the HOST:PORT of the gRPC API, without https://, not "),
        ("http://127.0.0.1", "--server must be the HOST:PORT of the gRPC API, without http://, not "),
        ("127.0.0.1:1/path", "--server must be the HOST:PORT of the gRPC API, not "),
        ("127.0.0.1", "--server must be the HOST:PORT of the gRPC API, not "),
        ("127.0.0.1:https", "--server must be the HOST:PORT of the gRPC API, not "),
        ("127.0.0.1:65536", "--server must be the HOST:PORT of the gRPC API, not "),
        (":8443", "--server must be the HOST:PORT of the gRPC API, not "),
    ],
)
def test_what_is_no_address_is_refused_and_the_contexts_own_is_named(
    config: KubeConfig, server: str, said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        choose(config, parse(["--server", server], GLOBAL_FLAGS))
    assert refused.value.message == f'{said}"{server}"'
    assert refused.value.hint == "The gRPC API of the context's cluster is at 192.0.2.1:8443."
