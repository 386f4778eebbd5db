"""Log lines."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import pytest

from machinery.process import logs


@pytest.fixture(autouse=True)
def _untouched_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in (*logs.LIBRARIES, "quiet"):
        logging.getLogger(name).setLevel(logging.NOTSET)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_has_time_level_name_and_message() -> None:
    out = io.StringIO()
    logs.setup("info", stream=out)
    logging.getLogger("a.b").info("unit started unit=%s", "x")
    logging.getLogger("a.b").debug("not shown")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    a\.b  unit started unit=x\n", out.getvalue())


def test_a_message_is_one_line_and_its_traceback_is_indented() -> None:
    out = io.StringIO()
    logs.setup("info", stream=out)
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("a").exception("failed text=%s", "two\nlines")
    first, *trace = out.getvalue().splitlines()
    assert first.endswith("failed text=two\\nlines")
    assert trace[-1] == "    ValueError: boom"


def test_colours_only_on_a_terminal_and_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for out, colour in ((io.StringIO(), False), (Terminal(), True)):
        logs.setup(stream=out)
        logging.getLogger("a").warning("x")
        assert ("\033[" in out.getvalue()) is colour
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    logs.setup(stream=out)
    logging.getLogger("a").warning("x")
    assert "\033[" not in out.getvalue()


def test_levels_by_logger() -> None:
    out = io.StringIO()
    logs.setup("warning,quiet=debug", stream=out)
    logging.getLogger("quiet").debug("shown")
    logging.getLogger("other").info("hidden")
    logging.getLogger("aiohttp").info("hidden")
    assert len(out.getvalue().splitlines()) == 1
    with pytest.raises(ValueError, match="unknown log level 'loud'"):
        logs.parse_levels("loud")
