"""What a project meets that uses Pilothouse in its tests: README's example, the fixtures, pytest without asyncio."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from importlib import metadata

import pytest

ROOT = pathlib.Path(__file__).parents[2]
pytestmark = pytest.mark.e2e


def run(directory: pathlib.Path, text: str, *options: str) -> str:
    """pytest's output in a project with this one test file, which must pass unless it says what fails."""
    (directory / "test_mine.py").write_text(text)
    installed = any(each.value == "pilothouse.pytest_plugin" for each in metadata.entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "pilothouse.pytest_plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *plugin],
        cwd=directory, env={**os.environ, "PYTHONPATH": f"{directory}{os.pathsep}{ROOT}"},
        text=True, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_the_readmes_example(tmp_path: pathlib.Path) -> None:
    section = (ROOT / "README.md").read_text().partition("## In a test")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert re.search(r"^2 passed in", run(tmp_path, "\n".join(blocks)), re.MULTILINE)


FIXTURE = """
import pytest

@pytest.mark.asyncio
async def test_with(cluster, make_cluster):
    assert (cluster.node_names, (await make_cluster(nodes=2)).node_names) == (["node-1"], ["node-1", "node-2"])

def test_without():
    pass
"""


def test_the_fixtures(tmp_path: pathlib.Path) -> None:
    assert re.search(r"^2 passed in", run(tmp_path, FIXTURE), re.MULTILINE)


def test_without_pytest_asyncio_only_the_fixtures_are_missing(tmp_path: pathlib.Path) -> None:
    (tmp_path / "without.py").write_text("import sys\nsys.modules['pytest_asyncio'] = None\n")
    out = run(tmp_path, FIXTURE.replace("async ", "").replace("await ", ""), "-p", "without", "-p", "no:asyncio")
    assert "the fixtures of pilothouse need pytest-asyncio: pip install pytest-asyncio" in out
    assert re.search(r"^1 passed, .*1 error in", out, re.MULTILINE)
