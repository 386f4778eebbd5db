"""What is said of changes to a good object of each kind: files of cases, on create and on update."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.apiserver.resources.builders import make, row, said, updated

FILES = Path(__file__).parents[3] / "golden" / "validation" / "kinds"


def cases(moment: str) -> list[Any]:
    found = []
    for file in sorted(FILES.glob("*.yaml")):
        document = yaml.safe_load(file.read_text())
        for name, case in document.get(moment, {}).items():
            base = yaml.safe_dump(document["base"])
            found.append(pytest.param(base, case["change"], case["errors"], id=f"{file.stem}: {name}"))
    return found


@pytest.mark.parametrize(("base", "change", "errors"), cases("create"))
def test_create(base: str, change: dict[str, Any], errors: list[str]) -> None:
    obj = make(base, change)
    assert said(row(obj).strategy.validate_create(obj)) == errors


@pytest.mark.parametrize(("base", "change", "errors"), cases("update"))
def test_update(base: str, change: dict[str, Any], errors: list[str]) -> None:
    old = make(base)
    obj = updated(old, change)
    assert said(row(obj).strategy.validate_update(obj, old)) == errors
