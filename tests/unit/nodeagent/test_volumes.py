"""Files of volumes, their atomic change, and what of them containers see."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nodeagent.errors import ConfigError, MountError
from nodeagent.pods import env
from nodeagent.volumes import atomic, mounts, payload
from nodeagent.volumes.payload import File, TokenRequest
from tests.unit.nodeagent.builders import pod

CONFIG = {"kind": "ConfigMap", "data": {"a": "1", "b": "2"}, "binaryData": {"c": "AAE="}}
SECRET = {"kind": "Secret", "data": {"word": "c2VzYW1l"}}


def files(volume: dict[str, Any], **tokens: str) -> dict[str, tuple[bytes, int]]:
    found = env.Sources(
        pod=pod(metadata={"labels": {"app": "web"}}),
        config_maps={"conf": CONFIG, "absent": None},
        secrets={"hush": SECRET, "absent": None},
    )
    given = {TokenRequest("", 3607): tokens.get("token", "")}
    made = payload.files({"name": "v", **volume}, found, given)
    return {path: (file.content, file.mode) for path, file in made.items()}


def test_a_config_map() -> None:
    assert files({"configMap": {"name": "conf"}}) == {
        "a": (b"1", 0o644),
        "b": (b"2", 0o644),
        "c": (b"\x00\x01", 0o644),
    }


def test_chosen_keys_and_modes() -> None:
    items = [{"key": "a", "path": "deep/er", "mode": 0o600}, {"key": "b", "path": "b"}]
    made = files({"configMap": {"name": "conf", "items": items, "defaultMode": 0o444}})
    assert made == {"deep/er": (b"1", 0o600), "b": (b"2", 0o444)}


def test_a_secret_is_named_otherwise() -> None:
    assert files({"secret": {"secretName": "hush", "defaultMode": 0o400}}) == {"word": (b"sesame", 0o400)}


def test_a_projection_of_everything() -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "conf", "items": [{"key": "a", "path": "ca.crt"}]}},
        {"secret": {"name": "hush"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    made = files({"projected": {"sources": sources, "defaultMode": 420}}, token="jwt")
    assert {path: content for path, (content, _) in made.items()} == {
        "token": b"jwt",
        "ca.crt": b"1",
        "word": b"sesame",
        "labels": b'app="web"',
    }


def test_optional_sources_may_be_absent() -> None:
    assert files({"configMap": {"name": "absent", "optional": True}}) == {}
    items = [{"key": "none", "path": "x"}]
    assert files({"secret": {"secretName": "hush", "items": items, "optional": True}}) == {}


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "absent"}}, 'configmap "absent" not found'),
        ({"secret": {"secretName": "absent"}}, 'secret "absent" not found'),
        (
            {"configMap": {"name": "conf", "items": [{"key": "z", "path": "z"}]}},
            "references non-existent config key: z",
        ),
        ({"projected": {"sources": [{"clusterTrustBundle": {}}]}}, "projection of clusterTrustBundle is not served"),
    ],
    ids=["config map", "secret", "key", "kind"],
)
def test_what_is_missing(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(MountError, match=message):
        files(volume)


def test_what_a_pod_needs() -> None:
    volumes = [
        {"name": "a", "configMap": {"name": "conf"}},
        {"name": "b", "secret": {"secretName": "hush"}},
        {"name": "c", "persistentVolumeClaim": {"claimName": "disk"}},
        {"name": "d", "emptyDir": {}},
        {"name": "e", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ]
    needs = payload.needs(pod(volumes=volumes))
    assert (needs.config_maps, needs.secrets, needs.claims) == ({"conf"}, {"hush"}, {"disk"})
    assert needs.tokens == {TokenRequest("", 3600)}


def test_a_change_is_seen_whole(tmp_path: Path) -> None:
    volume = tmp_path / "v"
    assert atomic.write(volume, {"a": File(b"1"), "deep/b": File(b"2", 0o400)}, stamp="t1")
    assert (volume / "a").read_bytes() == b"1"
    assert (volume / "deep" / "b").read_bytes() == b"2"
    assert (volume / "deep" / "b").stat().st_mode & 0o777 == 0o400
    first = os.readlink(volume / "..data")
    held = (volume / "..data").resolve()

    assert not atomic.write(volume, {"a": File(b"1"), "deep/b": File(b"2", 0o400)}, stamp="t2")
    assert os.readlink(volume / "..data") == first

    assert atomic.write(volume, {"a": File(b"9")}, stamp="t2")
    assert (volume / "a").read_bytes() == b"9"
    assert not (volume / "deep").is_symlink()
    assert not held.exists()
    assert sorted(entry.name for entry in volume.iterdir()) == ["..data", "..t2", "a"]


def test_an_empty_volume_and_the_same_instant(tmp_path: Path) -> None:
    atomic.write(tmp_path / "v", {}, stamp="t")
    assert (tmp_path / "v" / "..data").is_dir()
    atomic.write(tmp_path / "v", {"a": File(b"1")}, stamp="t")
    assert (tmp_path / "v" / "a").read_bytes() == b"1"


def mounted(mount: dict[str, Any], volume: Path, *, own: bool = True) -> mounts.Mount:
    spec = {"name": "app", "volumeMounts": [{"name": "v", "mountPath": "/data", **mount}]}
    writable = frozenset({"v"} if own else ())
    [found] = mounts.of_container(spec, {"v": volume}, {"POD": "web"}, writable=writable)
    return found


def test_mounts(tmp_path: Path) -> None:
    assert mounted({}, tmp_path) == mounts.Mount("/data", str(tmp_path))
    assert mounted({"readOnly": True}, tmp_path).read_only
    assert mounted({"mountPropagation": "HostToContainer"}, tmp_path).propagation == "HostToContainer"
    assert mounted({"subPath": "a/b"}, tmp_path).host_path == f"{tmp_path}/a/b"
    assert (tmp_path / "a" / "b").is_dir()
    assert mounted({"subPathExpr": "$(POD)"}, tmp_path).host_path == f"{tmp_path}/web"


def test_nothing_is_made_inside_a_volume_of_ours(tmp_path: Path) -> None:
    mounted({"subPath": "none"}, tmp_path, own=False)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("sub", ["../etc", "/etc", "a/../../etc", "link/etc"])
def test_a_sub_path_stays_inside(tmp_path: Path, sub: str) -> None:
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(ConfigError):
        mounted({"subPath": sub}, tmp_path)


def test_a_mount_of_no_volume(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='cannot find volume "other"'):
        mounted({"name": "other"}, tmp_path)
