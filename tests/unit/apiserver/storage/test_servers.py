from __future__ import annotations

import pathlib

import pytest

from apiserver.storage.progress import trusted
from apiserver.storage.servers import EtcdServers
from machinery.pki.tls import TlsError, TlsFiles


def test_a_list_of_members() -> None:
    servers = EtcdServers.parse(" http://a:2379,http://[::1]:2379/ ,http://a:2379,")
    assert servers.urls == ("http://a:2379", "http://[::1]:2379/")
    assert not servers.secure
    assert EtcdServers.parse("https://a:2379").secure


@pytest.mark.parametrize(
    "text",
    ["", ",", "nonsense", "a:2379", "http://a", "http://:2379", "http://a:99999", "ftp://a:1", "http://a:1,https://b:1",
     "http://a:1/path"],
)  # fmt: skip
def test_what_is_no_list(text: str) -> None:
    with pytest.raises(ValueError, match=r"--etcd-servers: .* is no list of http:// or https:// URLs with ports"):
        EtcdServers.parse(text)


def test_files_that_cannot_be_read() -> None:
    servers = EtcdServers.parse("https://a:2379", TlsFiles(ca=pathlib.Path("/nosuch/ca.crt")))
    with pytest.raises(TlsError, match=r"/nosuch/ca\.crt"):
        servers.member("https://a:2379")


@pytest.mark.parametrize(
    ("version", "so"),
    [("3.4.23", False), ("3.4.30", False), ("3.4.31", True), ("3.4.99", True), ("3.5.0", False), ("3.5.12", False),
     ("3.5.13", True), ("3.5.30", True), ("3.6.0", True), ("4.0.0", True), ("3.3.27", False), ("3.6.0-rc.1", True),
     ("", False), ("3.5", False), ("latest", False)],
)  # fmt: skip
def test_which_releases_answer_progress_requests_truly(version: str, so: bool) -> None:
    assert trusted(version) is so
