"""Defaulting, against files of what a user writes and what is stored."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.resources.defaults.fill import canonical
from apiserver.resources.defaults.pods import pull_policy
from apiserver.resources.registry import RESOURCES
from machinery.objects.gvk import gvk_of
from machinery.objects.meta import deep_copy

GOLDEN = Path(__file__).parents[3] / "golden" / "defaults"
ROWS = {row.gvk: row for row in RESOURCES.values()}


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.yaml")), ids=lambda file: file.stem)
def test_written_becomes_stored(file: Path) -> None:
    written, stored = yaml.safe_load_all(file.read_text())
    default = ROWS[gvk_of(written)].strategy.default
    default(written)
    assert written == stored
    again = deep_copy(stored)
    default(again)
    assert again == stored, "defaulting twice must change nothing"


@pytest.mark.parametrize("row", [row for row in RESOURCES.values() if row.storage], ids=lambda row: str(row.gvr))
def test_an_object_without_anything_is_defaulted(row: Any) -> None:
    obj: dict[str, Any] = {"apiVersion": row.gvk.api_version, "kind": row.kind, "metadata": {"name": "bare"}}
    row.strategy.default(obj)
    assert isinstance(row.strategy.validate_create(obj), list)


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("localhost:5000/nginx", "Always"),
        ("localhost:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
        ("nginx:latest@sha256:abc", "Always"),
    ],
)
def test_pull_policy(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


@pytest.mark.parametrize(
    ("written", "stored"),
    [("1000m", "1"), (1, "1"), (0.5, "500m"), ("1024Mi", "1Gi"), ("0.0001", "1m"), ("1e3", "1e3"), ("abc", "abc")],
)
def test_quantities_are_stored_in_canonical_form(written: Any, stored: str) -> None:
    assert canonical(written) == stored
