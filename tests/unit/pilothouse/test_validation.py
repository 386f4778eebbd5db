"""What `pilot init` refuses before it writes anything."""

from __future__ import annotations

import pathlib

import pytest

from cli.main import main
from pilothouse.init import validation
from pilothouse.init.settings import InitSettings


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--service-cidr=bogus", """--service-cidr: Invalid value: "bogus": couldn't parse subnet"""),
        ("--service-cidr=10.96.0.1/16", "couldn't parse subnet: 10.96.0.1/16 has host bits set"),
        ("--service-cidr=10.0.0.0/8", "specified service subnet is too large; for 32-bit addresses, the mask must be"),
        ("--service-cidr=10.0.0.0/30", "subnet with 4 address(es) is too small, the minimum is 10"),
        ("--pod-network-cidr=bogus", """--pod-network-cidr: Invalid value: "bogus": couldn't parse subnet"""),
        ("--pod-network-cidr=10.96.0.0/12", "overlaps with the addresses of services, 10.96.0.0/16"),
        ("--pod-network-cidr=10.244.0.0/25", "with mask 25 is smaller than the size of node subnet with mask 24"),
        ("--pod-network-cidr=11.0.0.0/7", "has host bits set"),
        ("--pod-network-cidr=12.0.0.0/7", "pod subnet mask (7) and node-mask (24) difference is greater than 16"),
        ("--pod-network-cidr=10.1.0.0/16,10.2.0.0/16", "two CIDRs from each family for dual-stack networking"),
        ("--apiserver-advertise-address=host", 'Invalid value: "host": ip address is not valid'),
        ("--apiserver-advertise-address=0.0.0.0", "other hosts cannot reach it by that"),
        ("--apiserver-cert-extra-sans=a*", '--apiserver-cert-extra-sans: Invalid value: "a*": altname is not a valid'),
        ("--apiserver-cert-extra-sans=x,,y", '--apiserver-cert-extra-sans: Invalid value: "": altname is not a valid'),
        ("--etcd-servers=localhost:2379", '"localhost:2379": must be http:// or https:// URLs with ports'),
        ("--etcd-servers=http://a:1,http://b", "must be http:// or https:// URLs with ports"),
        ("--token=bogus", '--token: Invalid value: "bogus": the bootstrap token was not of the form'),
        ("--token-ttl=-5s", '--token-ttl: Invalid value: "-5s": a token cannot be good for -5s; 0 is for ever'),
        ("--apiserver-bind-port=65536", "--apiserver-bind-port must be between 1 and 65535, not 65536"),
        ("--name=A_B", "--name: 'A_B' is not a name"),
    ],
)
def test_refused_and_nothing_written(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], flags: str, said: str
) -> None:
    words = [f"--config-dir={tmp_path / 'etc'}", f"--data-dir={tmp_path / 'var'}", *flags.split()]
    assert main(["init", *words]) == 1
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_all_of_it_is_said_at_once(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"--config-dir={tmp_path}", f"--data-dir={tmp_path}", "--service-cidr=x", "--token=y"]
    assert main(["init", "phase", "certs", *words]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" Invalid")[0] for line in lines] == ["error: --service-cidr:", "--token:"]


@pytest.mark.parametrize(
    "settings",
    [
        InitSettings(),
        InitSettings(service_cidr="fd00:1::/112", pod_network_cidr="fd00:2::/48", advertise_address="fd00::1"),
        InitSettings(pod_network_cidr="10.1.0.0/16,fd00:2::/48", token="abcdef.0123456789abcdef", token_ttl=0.0),
        InitSettings(cert_names=("example.com", "*.example.com", "10.0.0.1", "::1")),
        InitSettings(etcd_servers="https://a:2379,https://b:2379"),
    ],
)
def test_accepted(settings: InitSettings) -> None:
    validation.check(settings)
