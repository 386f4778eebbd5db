"""What `pilot init` writes, keeps, renews and refuses; run on a directory as its phases run."""

from __future__ import annotations

import pathlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors import ChildSpec, System, VirtualClock
from machinery import manifest
from machinery.client import kubeconfig
from machinery.client.target import target
from pilothouse import pki
from pilothouse.init import certs, components, existing, kubeconfigs
from pilothouse.init.renewal import Renewal
from pilothouse.init.settings import InitError, InitSettings
from pilothouse.pki import KeyPair

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: pathlib.Path) -> InitSettings:
    return InitSettings(config_dir=tmp_path / "etc", data_dir=tmp_path / "var", advertise_address="10.0.0.1")


def make(settings: InitSettings, now: datetime = NOW) -> list[str]:
    """The phases that write files; what they said."""
    said: list[str] = []
    certs.run(settings, now=now, say=said.append)
    kubeconfigs.run(settings, say=said.append)
    components.run(settings, say=said.append)
    return said


def files(settings: InitSettings) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(settings.config_dir.rglob("*")) if path.is_file()}


def test_a_second_run_changes_nothing(settings: InitSettings) -> None:
    assert make(settings)
    before = files(settings)
    assert make(settings, NOW + timedelta(days=200)) == []
    assert files(settings) == before


def test_keys_are_for_the_owner_alone(settings: InitSettings) -> None:
    make(settings)
    for path in settings.config_dir.rglob("*"):
        if path.is_file() and path.suffix not in (".crt", ".pub"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_run_that_died_anywhere_is_finished_by_the_next(settings: InitSettings) -> None:
    """As if killed after each of the files: those that a run writes are there up to one, and the rest is not."""
    make(settings)
    complete = [path for path in settings.config_dir.rglob("*") if path.is_file()]
    written = sorted(complete, key=lambda path: path.stat().st_mtime_ns)
    names = [str(path.relative_to(settings.config_dir)) for path in written]
    for count in range(len(written)):
        there = replace(settings, config_dir=settings.config_dir.parent / f"died-{count}")
        for path, name in zip(written[:count], names, strict=False):
            (there.config_dir / name).parent.mkdir(parents=True, exist_ok=True)
            (there.config_dir / name).write_bytes(path.read_bytes())
        make(there)
        assert sorted(str(path.relative_to(there.config_dir)) for path in map(pathlib.Path, files(there))) == sorted(
            names
        )
        for leaf in certs.leaves(there):
            pair = KeyPair.load(there.pki, leaf.name)
            assert pair.fits(), leaf.name
        for user in kubeconfigs.USERS:
            target(kubeconfig.load(there.kubeconfig(user))).identity()


def test_a_renewal_that_died_between_key_and_certificate_is_done_again(settings: InitSettings) -> None:
    make(settings)
    other = pki.Authority.create("other", now=NOW).issue("x", now=NOW, client=True)
    (settings.pki / "scheduler.key").write_bytes(other.key)
    assert make(settings) == ['Renewed "scheduler" certificate and key']
    assert KeyPair.load(settings.pki, "scheduler").fits()


@pytest.mark.parametrize(("days", "renewed"), [(0, 0), (240, 0), (250, 6), (400, 6)])
def test_a_leaf_is_renewed_when_a_third_of_its_life_is_left(settings: InitSettings, days: int, renewed: int) -> None:
    make(settings)
    authority = (settings.pki / "ca.crt").read_bytes()
    said = make(settings, NOW + timedelta(days=days))
    assert sum(line.startswith("Renewed") for line in said) == renewed
    assert ('Wrote "admin.conf" kubeconfig file' in said) == bool(renewed)
    assert (settings.pki / "ca.crt").read_bytes() == authority


def test_a_further_name_makes_a_new_serving_certificate(settings: InitSettings) -> None:
    make(settings)
    named = replace(settings, cert_names=("api.example.com", "192.0.2.7", "fd00::7"))
    assert make(named) == ['Renewed "apiserver" certificate and key']
    shown = pki.names_of(KeyPair.load(settings.pki, "apiserver").certificate)
    assert {"api.example.com", "192.0.2.7", "fd00::7", "10.0.0.1", "kubernetes.default.svc", "10.96.0.1"} <= shown
    assert make(settings) == []


@pytest.mark.parametrize(
    ("lost", "why"), [("ca.key", r"ca\.crt is there without its \.key"), ("", "do not go together")]
)
def test_an_authority_is_never_replaced(settings: InitSettings, lost: str, why: str) -> None:
    make(settings)
    before = (settings.pki / "ca.crt").read_bytes()
    if lost:
        (settings.pki / lost).unlink()
    else:
        (settings.pki / "ca.key").write_bytes((settings.pki / "admin.key").read_bytes())
    with pytest.raises(InitError, match=why):
        make(settings)
    assert (settings.pki / "ca.crt").read_bytes() == before


def test_a_component_reads_its_certificate_from_files_and_admin_carries_it(settings: InitSettings) -> None:
    make(settings)
    for name in ("controller-manager", "scheduler"):
        reached = target(kubeconfig.load(settings.kubeconfig(name)))
        assert (reached.files.cert, reached.files.key) == (settings.pki / f"{name}.crt", settings.pki / f"{name}.key")
    assert target(kubeconfig.load(settings.kubeconfig("admin"))).files.cert is None


def test_ports_and_the_leases_name_go_where_they_are_read(settings: InitSettings) -> None:
    chosen = replace(settings, bind_port=1, grpc_port=2, grpc_token_port=3, etcd_port=4, units_port=5, cluster_name="c")
    make(chosen)
    flags = components.configurations(chosen)
    assert flags["apiserver"]["secure-port"] == 1
    assert flags["apiserver"]["grpc-address"] == "0.0.0.0:2"
    assert flags["apiserver"]["grpc-token-address"] == "0.0.0.0:3"
    assert flags["apiserver"]["etcd-servers"] == flags["etcdlite"]["listen-client-urls"] == "https://127.0.0.1:4"
    assert flags["controllermgr"]["grpc-address"] == "0.0.0.0:5"
    reached = target(kubeconfig.load(chosen.kubeconfig("admin")))
    assert (reached.server, reached.grpc, reached.grpc_tokens, reached.units) == (
        "https://10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:5",
    )  # fmt: skip
    assert flags["controllermgr"]["identity"] == flags["scheduler"]["identity"] == "c_10.0.0.1"


def test_an_ipv6_host_listens_on_ipv6(settings: InitSettings) -> None:
    flags = components.configurations(replace(settings, advertise_address="fd00::1"))
    assert flags["apiserver"]["bind-address"] == "::"
    assert flags["apiserver"]["grpc-address"] == "[::]:6444"
    assert flags["controllermgr"]["grpc-address"] == "[::]:10257"


def test_what_the_files_say_counts_when_nothing_else_is_said(settings: InitSettings) -> None:
    chosen = replace(
        settings, bind_port=1, grpc_port=2, grpc_token_port=3, etcd_port=4, units_port=5, cluster_name="c",
        service_cidr="10.1.0.0/16", pod_network_cidr="10.2.0.0/16",
    )  # fmt: skip
    make(chosen)
    path = chosen.config_file("controllermgr")
    edited = {**manifest.load(path.read_text()), "grpc-address": "127.0.0.1:55"}
    path.write_text(manifest.dump(edited))
    told = InitSettings(config_dir=settings.config_dir, data_dir=settings.data_dir)
    assert existing.settle(told, given=()) == replace(chosen, units_port=55)
    assert existing.settle(replace(told, units_port=55), given={"units-port"}).units_port == 55


def test_another_etcd_stays_the_other_etcd(settings: InitSettings) -> None:
    other: dict[str, Any] = {"etcd_servers": "https://10.0.0.9:2379", "etcd_cafile": "/ca.crt", "etcd_prefix": "/mine"}
    make(replace(settings, **other))
    found = existing.settle(settings, given=())
    assert {field: getattr(found, field) for field in other} == other
    with pytest.raises(InitError, match=r"--etcd-prefix=/registry does not fit \S+, which says etcd-prefix: /mine\."):
        existing.settle(settings, given=("etcd-prefix",))


def test_nothing_there_changes_nothing(settings: InitSettings) -> None:
    assert existing.settle(settings, given={"name", "grpc-port"}) == settings


def test_to_be_told_otherwise_is_refused(settings: InitSettings) -> None:
    make(settings)
    with pytest.raises(
        InitError, match=r"--apiserver-bind-port=7443 does not fit .*apiserver\.yaml.*secure-port: 6443"
    ):
        existing.settle(replace(settings, bind_port=7443), given={"apiserver-bind-port"})
    with pytest.raises(InitError, match=r'--name=other does not fit .*admin\.conf, whose cluster is "kubernetes"'):
        existing.settle(replace(settings, cluster_name="other"), given={"name"})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("secure-port: many", r"apiserver\.yaml: secure-port: 'many' cannot be understood"),
        ("[1]", r"apiserver\.yaml holds no flags"),
        ("a: {", r"apiserver\.yaml"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(settings: InitSettings, text: str, why: str) -> None:
    make(settings)
    settings.config_file("apiserver").write_text(text)
    with pytest.raises(InitError, match=why):
        existing.settle(settings, given=())


async def test_certificates_are_renewed_while_it_runs(settings: InitSettings) -> None:
    clock = VirtualClock()
    make(settings, clock.now())
    first = {leaf.name: KeyPair.load(settings.pki, leaf.name).certificate for leaf in certs.leaves(settings)}
    async with System(ChildSpec("renewal", lambda: Renewal(settings)), clock=clock):
        await clock.advance(hours=24 * 240)
        assert KeyPair.load(settings.pki, "apiserver").certificate == first["apiserver"]
        await clock.advance(hours=24 * 10)
        for name, before in first.items():
            pair = KeyPair.load(settings.pki, name)
            assert pair.certificate != before
            assert pki.expires(pair.certificate) > clock.now() + timedelta(days=350)
        admin = target(kubeconfig.load(settings.kubeconfig("admin")))
        assert admin.certificate == KeyPair.load(settings.pki, "admin").certificate


async def test_a_renewal_that_cannot_be_done_is_tried_again(settings: InitSettings) -> None:
    clock = VirtualClock()
    make(settings, clock.now())
    key = (settings.pki / "ca.key").read_bytes()
    async with System(ChildSpec("renewal", lambda: Renewal(settings)), clock=clock) as system:
        (settings.pki / "ca.key").unlink()
        await clock.advance(hours=24 * 250)
        assert system.tree().restarts == 0
        (settings.pki / "ca.key").write_bytes(key)
        await clock.advance(hours=24)
        assert pki.expires(KeyPair.load(settings.pki, "apiserver").certificate) > clock.now() + timedelta(days=350)
