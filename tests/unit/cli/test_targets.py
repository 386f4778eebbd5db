"""What a command is about, by its words: what is refused, and how that is said."""

from __future__ import annotations

import pytest

from cli.commands.delete import COMMAND as DELETE
from cli.commands.label import COMMANDS as LABEL
from cli.context import Session
from cli.errors import CliError, UsageError
from cli.flags import Parsed, parse
from cli.resources import Mapper, Resource
from cli.targets import from_words, read, resolve
from machinery.objects.gvk import GVR

MAPPER = Mapper([Resource(GVR("", "v1", "pods"), "Pod", "pod", namespaced=True)])


@pytest.mark.parametrize("url", ["http://example.test/a.yaml", "https://example.test/a?b=c&d=e"])
def test_a_url_is_not_read_and_what_to_do_is_said(url: str) -> None:
    with pytest.raises(CliError) as refused:
        read([url])
    shown = f"'{url}'" if "&" in url else url
    assert refused.value.message == f'"{url}" is a URL, and pilot reads only files'
    assert f"curl -fsSL {shown} | pilot apply -f -" in refused.value.hint


@pytest.mark.parametrize("words", ["--all -l a=b", "--all --field-selector metadata.name=x"])
async def test_all_and_a_selector_are_refused_before_anything_is_asked(words: str) -> None:
    flags = parse(f"pods {words}".split(), DELETE.flags)
    with pytest.raises(UsageError, match=r"^setting 'all' parameter but found a non empty selector.$"):
        await resolve(Session(Parsed({})), flags, verb="delete")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("pods/a/b", "arguments in resource/name form may not have more than one slash"),
        ("pods/a/", "arguments in resource/name form may not have more than one slash"),
        ("pods/", "arguments in resource/name form must have a single resource and name"),
        ("/a", "arguments in resource/name form must have a single resource and name"),
        ("pods,pods/a", "arguments in resource/name form must have a single resource and name"),
    ],
)
def test_slashes_that_name_nothing(word: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        from_words([word], MAPPER, namespace="n")
    assert refused.value.message == said


@pytest.mark.parametrize(("verb", "what"), [("label", "a label"), ("annotate", "an annotation")])
async def test_a_key_is_set_or_removed_not_both(verb: str, what: str) -> None:
    command = LABEL[verb]
    assert command.run is not None
    with pytest.raises(UsageError, match=f"^can not both modify and remove {what} in the same command: k$"):
        await command.run(Session(Parsed({})), parse(["pod", "x", "k=v", "k-"], command.flags))
