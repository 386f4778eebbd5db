"""kubeconfig files merge and are written as kubectl merges and writes them."""

from __future__ import annotations

import asyncio
import os
import pathlib
from typing import Any

import pytest

from actors import SystemClock
from machinery import manifest
from machinery.client import kubeconfig


def config(name: str, *, current: str = "", **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}", **more}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": f"ns-{name}"}}],
        "users": [{"name": name, "user": {"token": name}}],
        "current-context": current,
    }


@pytest.fixture
def files(tmp_path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    a, b = tmp_path / "a", tmp_path / "b"
    kubeconfig.write(a, config("a"))
    kubeconfig.write(b, config("b", current="b"))
    return a, b


def environ(*paths: pathlib.Path) -> dict[str, str]:
    return {"KUBECONFIG": os.pathsep.join(map(str, paths)), "HOME": "/nonexistent"}


def test_a_list_is_merged_and_the_first_to_say_wins(files: tuple[pathlib.Path, pathlib.Path]) -> None:
    merged = kubeconfig.load(environ=environ(*files))
    assert sorted(merged.entries("contexts")) == ["a", "b"]
    assert merged.current_context == "b"
    assert merged.namespace() == "ns-b"
    assert merged.namespace("a") == "ns-a"


def test_an_entry_is_changed_in_its_own_file(files: tuple[pathlib.Path, pathlib.Path]) -> None:
    a, b = files
    before = a.read_bytes()
    merged = kubeconfig.load(environ=environ(*files))
    merged.put("contexts", "b", {"cluster": "b", "user": "b", "namespace": "other"})
    merged.save()
    assert a.read_bytes() == before
    assert kubeconfig.load(b).namespace("b") == "other"


def test_a_new_entry_goes_to_the_first_file_that_exists(files: tuple[pathlib.Path, pathlib.Path]) -> None:
    missing = files[0].parent / "missing"
    merged = kubeconfig.load(environ=environ(missing, *files))
    merged.put("users", "new", {"token": "t"})
    merged.save()
    assert "new" in kubeconfig.load(files[0]).entries("users")
    assert not missing.exists()


def test_unknown_fields_survive_a_write(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "config"
    kubeconfig.write(path, {**config("a"), "preferences": {"colors": True}, "x-mine": [1]})
    changed = kubeconfig.load(path)
    changed.current_context = "a"
    changed.save()
    document = manifest.load(path.read_text())
    assert (document["x-mine"], document["preferences"]) == ([1], {"colors": True})
    assert path.stat().st_mode & 0o777 == 0o600


def test_removing_the_current_context_unsets_it(files: tuple[pathlib.Path, pathlib.Path]) -> None:
    merged = kubeconfig.load(environ=environ(*files))
    assert merged.remove("contexts", "b")
    assert not merged.remove("contexts", "b")
    merged.save()
    assert kubeconfig.load(files[1]).current_context == ""


def test_files_are_relative_to_the_kubeconfig(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"pem")
    path = tmp_path / "config"
    kubeconfig.write(path, config("a", **{"certificate-authority": "ca.crt"}))
    assert kubeconfig.data(kubeconfig.load(path).cluster("a"), "certificate-authority") == b"pem"


def test_extension_of_a_cluster(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "config"
    listed = [{"name": kubeconfig.GRPC_EXTENSION, "extension": {"address": "h:1"}}]
    kubeconfig.write(path, config("a", extensions=listed))
    assert kubeconfig.extension(kubeconfig.load(path).cluster("a").body, kubeconfig.GRPC_EXTENSION) == {
        "address": "h:1"
    }


@pytest.mark.parametrize("text", ["[1]", "{", "clusters: 3", "contexts: [a]"])
def test_what_is_no_kubeconfig_is_refused_by_name(tmp_path: pathlib.Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(kubeconfig.KubeConfigError, match="config"):
        kubeconfig.load(path)


def test_explicit_path_must_exist_and_a_listed_one_need_not(tmp_path: pathlib.Path) -> None:
    with pytest.raises(kubeconfig.KubeConfigError, match="no such file"):
        kubeconfig.load(tmp_path / "nope")
    assert kubeconfig.load(environ=environ(tmp_path / "nope")).current_context == ""


async def test_edits_at_the_same_time_lose_nothing(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "config"

    async def add(name: str) -> None:
        async with kubeconfig.editing(path, clock=SystemClock()) as edited:
            await asyncio.sleep(0)
            edited.put("users", name, {"token": name})

    await asyncio.gather(*(add(f"user-{number}") for number in range(5)))
    assert sorted(kubeconfig.load(path).entries("users")) == [f"user-{number}" for number in range(5)]
    assert [each.name for each in tmp_path.iterdir()] == ["config"]


async def test_a_lock_that_is_never_released_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "config.lock").touch()
    with pytest.raises(kubeconfig.KubeConfigError, match=r"config\.lock is held"):
        async with kubeconfig.editing(tmp_path / "config", clock=SystemClock(), patience=0.0):
            raise AssertionError("the block must not be entered")


def test_unknown_context(files: tuple[pathlib.Path, pathlib.Path]) -> None:
    with pytest.raises(kubeconfig.KubeConfigError, match='context "z" does not exist'):
        kubeconfig.load(files[0]).context("z")
    with pytest.raises(kubeconfig.KubeConfigError, match="current-context is not set"):
        kubeconfig.load(files[0]).context()
