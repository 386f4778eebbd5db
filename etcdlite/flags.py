"""etcd's flags, environment and configuration file into a Config: people start this with what starts their etcd.

A setting may come from a file (`--config-file`), from the environment (`ETCD_DATA_DIR`, or `ETCDLITE_DATA_DIR`) and
from flags; the later of these wins. (With etcd a file makes all flags be ignored.) Of etcd's settings that are none of
ours, those that cannot matter to a store of one member are taken and named; those with which the server would be
another than the one asked for are refused.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etcdlite.config import Config
from etcdlite.etcd_flags import BOOLEANS, VALUES
from etcdlite.ranges import WANTED
from etcdlite.store.compaction import parse_retention
from machinery.process import settings
from machinery.process.settings import HelpAsked, SettingsError

PROG = "etcdlite"
ALIASES = {
    "experimental-watch-progress-notify-interval": "watch-progress-notify-interval",
    "listen-client-http-urls": "listen-metrics-urls",
}
"""Other names of our settings: etcd's before they were promoted, and what comes to the same here."""

_TRUTH = {"t": "true", "T": "true", "f": "false", "F": "false"}
"""Go's short forms."""
_SECTIONS = {"client-transport-security": "", "peer-transport-security": "peer-"}
"""Mappings in a configuration file, and what the names in them begin with as flags."""


class VersionAsked(Exception):
    """`--version` was among the flags."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """ignored: the names of settings that were given and mean nothing here."""

    config: Config
    ignored: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Given:
    value: str
    source: str


def parse(arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> Parsed:
    """Raises HelpAsked, VersionAsked, and SettingsError with all that is wrong."""
    variables = os.environ if environ is None else environ
    problems: list[str] = []
    flags = list(_read_flags(arguments, problems))
    file = next((given.value for name, given in flags if name == "config-file"), variables.get("ETCD_CONFIG_FILE"))
    given = dict((*_read_file(file, problems), *_read_environment(variables)))
    repeated: set[str] = set()
    for name, value in flags:
        if name in repeated and name in _LISTS:
            value = _Given(f"{given[name].value},{value.value}", value.source)
        repeated.add(name)
        given[name] = value
    given.pop("config-file", None)
    ignored = []
    words = []
    for name, value in given.items():
        if name in _OWN:
            refusal = WANTED[name](value.value) if name in WANTED else None
            if refusal is not None:
                problems.append(f"{value.source}: {refusal}")
            words.append(f"--{name}={_TRUTH.get(value.value, value.value) if name in _SWITCHES else value.value}")
            continue
        refusal = (BOOLEANS.get(name) or VALUES[name])(value.value)
        if refusal is None:
            ignored.append(name)
        else:
            problems.append(f"{value.source}: {refusal}")
    try:
        config = settings.load(Config, words, prog=PROG, environ={})
    except SettingsError as error:
        raise SettingsError([*problems, *(_attributed(text, given) for text in error.problems)]) from None
    try:
        parse_retention(config.auto_compaction_mode, config.auto_compaction_retention)
    except ValueError as error:
        source = given["auto-compaction-retention"].source if "auto-compaction-retention" in given else ""
        problems.append(f"{source or '--auto-compaction-retention'}: {error}")
    if problems:
        raise SettingsError(problems)
    return Parsed(config, sorted(ignored))


def usage() -> str:
    """The text of `--help`."""
    text = settings.usage(Config, prog="python -m etcdlite", description=_DESCRIPTION)
    flags = text[: text.index("  --config FILE")]
    named = re.sub(r"`([a-z]+(?:_[a-z]+)+)`", lambda field: f"--{field[1].replace('_', '-')}", flags)
    return f"{named}{_MORE}"


_DESCRIPTION = "A store that speaks the etcd v3 API, on SQLite. Takes etcd's flags where they mean something here."
_MORE = """\
  --config-file FILE
      A YAML file with the same settings, as etcd reads it. Flags win over it.
  --version
  --help

Each flag is also read from the environment, as ETCD_NAME or ETCDLITE_NAME. Other flags of etcd are taken and named as
ignored when they cannot matter to one member, and refused when they would.

commands:
  snapshot save|restore|status   a copy of a running store, a store from a copy, what a copy holds
  check                          whether a data directory, a snapshot or a running store is whole
  compact, defrag                forget history, give free space back
  COMMAND --help                 more
"""


def own() -> dict[str, Any]:
    """Our settings by flag."""
    return {field.metadata.get("flag") or field.name.replace("_", "-"): field for field in dataclasses.fields(Config)}


_OWN = frozenset(own())
_LISTS = frozenset(name for name, field in own().items() if str(field.type).startswith("tuple"))
_SWITCHES = frozenset(name for name, field in own().items() if field.type == "bool") | frozenset(BOOLEANS)


def _read_flags(arguments: Sequence[str], problems: list[str]) -> Iterator[tuple[str, _Given]]:
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word in ("-h", "-help", "--help"):
            raise HelpAsked
        if not word.startswith("-") or word.strip("-") == "":
            problems.append(f"unexpected argument {word!r}")
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if name == "version":
            raise VersionAsked
        name = ALIASES.get(name, name)
        if not _known(name):
            problems.append(f"unknown flag --{name}{_suggestion(name)}")
            if not equals and rest and not rest[0].startswith("-"):
                rest.pop(0)  # most likely its value
            continue
        if not equals:
            if name in _SWITCHES:
                value = "true"
            elif rest:
                value = rest.pop(0)
            else:
                problems.append(f"--{name} needs a value")
                continue
        yield name, _Given(value, f"--{name}")


def _read_environment(variables: Mapping[str, str]) -> Iterator[tuple[str, _Given]]:
    """Names that are none of etcd's are left alone, as etcd does: they may be somebody else's."""
    for prefix in ("ETCD_", "ETCDLITE_"):
        for variable, value in variables.items():
            # A variable that is empty says nothing, as in etcd; but a directory that was meant must not be lost.
            if variable.startswith(prefix) and (value or variable == f"{prefix}DATA_DIR"):
                name = variable.removeprefix(prefix).lower().replace("_", "-")
                name = ALIASES.get(name, name)
                if _known(name):
                    yield name, _Given(value, f"${variable}")


def _read_file(path: str | None, problems: list[str]) -> Iterator[tuple[str, _Given]]:
    if not path:
        return
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(f"--config-file: cannot read {path}: {error.strerror}")
        return
    except UnicodeDecodeError:
        problems.append(f"--config-file: {path} is not YAML: it is no text in UTF-8")
        return
    except yaml.YAMLError as error:
        problems.append(f"--config-file: {path} is not YAML: {' '.join(str(error).split())}")
        return
    if not isinstance(document, dict | None):
        problems.append(f"--config-file: {path} must hold a mapping, not a {type(document).__name__}")
        return
    for name, value in _flatten(document or {}):
        name = ALIASES.get(name, name)
        if not _known(name):
            problems.append(f"{path}: unknown key {name!r}{_suggestion(name)}")
        elif value is not None:
            yield name, _Given(_text(value), f"{path}: {name}")


def _flatten(document: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        prefix = _SECTIONS.get(str(key))
        if prefix is not None and isinstance(value, dict):
            for inner, setting in value.items():
                yield prefix + str(inner), setting
        else:
            yield str(key), value


def _text(value: Any) -> str:
    """A value of a file as a flag would say it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value)


def _known(name: str) -> bool:
    return name in _OWN or name in BOOLEANS or name in VALUES or name == "config-file"


def _suggestion(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, (*_OWN, *BOOLEANS, *VALUES), n=1)
    return f" (did you mean --{close[0]}?)" if close else ""


def _attributed(problem: str, given: Mapping[str, _Given]) -> str:
    """A problem under the name of the place that its value came from."""
    found = re.match(r"--([a-z-]+):", problem)
    if found is None or found[1] not in given:
        return problem
    return given[found[1]].source + problem[found.end() - 1 :]
