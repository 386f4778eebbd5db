"""What a command is about, by its words: what is refused, and how that is said."""

from __future__ import annotations

import pytest

from cli.errors import CliError
from cli.targets import read


@pytest.mark.parametrize("url", ["http://example.test/a.yaml", "https://example.test/a?b=c&d=e"])
def test_a_url_is_not_read_and_what_to_do_is_said(url: str) -> None:
    with pytest.raises(CliError) as refused:
        read([url])
    shown = f"'{url}'" if "&" in url else url
    assert refused.value.message == f'"{url}" is a URL, and pilot reads only files'
    assert f"curl -fsSL {shown} | pilot apply -f -" in refused.value.hint
