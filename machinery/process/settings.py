"""Settings: one frozen dataclass per component, filled from flags, the environment and a YAML file.

A field is declared once, with its default, its help and its unit::

    @dataclass(frozen=True, slots=True)
    class Config:
        data_dir: Path = setting(Path("data"), help="Where the store lives.")
        lease: float = setting(15.0, help="How long a lease lives.", unit="s")

and gives ``--data-dir`` (or ``--data-dir=…``, Go's single dash too), the variable ``PROG_DATA_DIR`` and the file keys
``data-dir``, ``data_dir`` or ``dataDir``. Flags win over the environment, that over the file, that over the default.
Every mistake found is told at once, each with the field, where the value came from and what is wrong with it.

A field without help in its metadata uses the string that follows it in the class body.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import itertools
import os
import sys
import textwrap
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from machinery.process.values import convert, placeholder, shown, split, without_none

T = TypeVar("T")


def setting(
    default: Any = dataclasses.MISSING,
    *,
    help: str | None = None,
    unit: str | None = None,
    flag: str | None = None,
    shown: str | None = None,
    factory: Any = dataclasses.MISSING,
) -> Any:
    """A dataclass field with what its flag needs. Without ``default`` and ``factory`` the setting is required.

    ``unit`` is shown in the help; ``"s"`` also reads ``500ms``, ``5m``, ``2h``, and ``"bytes"`` reads ``8Gi``, ``64M``.
    ``flag`` overrides the flag's name (without dashes in front), ``shown`` what the help gives as the default.
    """
    metadata = {"help": help, "unit": unit, "flag": flag, "shown": shown}
    if factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class SettingsError(ValueError):
    """All that is wrong with the settings, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class HelpAsked(Exception):
    """``--help`` was among the flags."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    flag: str
    type: Any
    unit: str | None
    help: str
    default: Any  # dataclasses.MISSING when required
    shown: str

    @property
    def boolean(self) -> bool:
        return without_none(self.type) is bool

    @property
    def repeated(self) -> bool:
        return typing.get_origin(without_none(self.type)) in (tuple, dict, Mapping, types.MappingProxyType)


def parse(
    config: type[T],
    argv: Sequence[str] | None = None,
    *,
    prog: str,
    description: str = "",
    environ: Mapping[str, str] | None = None,
) -> T:
    """Read the settings for a process: prints the help (exit code 0) or all mistakes (exit code 2) and exits.

    ``argv`` are the arguments without the program's name; None takes the process's own.
    """
    try:
        return load(config, sys.argv[1:] if argv is None else argv, prog=prog, environ=environ)
    except HelpAsked:
        print(usage(config, prog=prog, description=description))
        raise SystemExit(0) from None
    except SettingsError as error:
        _complain(prog, error)


def load(
    config: type[T], argv: Sequence[str] = (), *, prog: str = "pilot", environ: Mapping[str, str] | None = None
) -> T:
    """Read the settings; raises ``SettingsError`` and ``HelpAsked``."""
    fields = _fields(config)
    problems: list[str] = []
    flags, config_file = _read_flags(argv, fields, problems)
    variables = os.environ if environ is None else environ
    prefix = _prefix(prog)
    config_file = config_file or variables.get(f"{prefix}CONFIG")
    document = _read_file(config_file, fields, problems) if config_file else {}
    values: dict[str, Any] = {}
    for field in fields:
        variable = prefix + field.name.upper()
        if field.name in flags:
            raw, source = flags[field.name], f"--{field.flag}"
        elif variable in variables:
            raw, source = variables[variable], f"${variable}"
        elif field.name in document:
            raw, source = document[field.name], f"{config_file}: {field.flag}"
        elif field.default is dataclasses.MISSING:
            problems.append(f"--{field.flag} is required")
            continue
        else:
            continue
        try:
            values[field.name] = convert(raw, field.type, field.unit)
        except ValueError as error:
            problems.append(f"{source}: {error}")
    if problems:
        raise SettingsError(problems)
    try:
        return config(**values)
    except ValueError as error:  # from the class's own __post_init__
        raise SettingsError([str(error)]) from error


def usage(config: type[Any], *, prog: str, description: str = "") -> str:
    """The text of ``--help``."""
    lines = [f"usage: {prog} [--FLAG VALUE]..."]
    if description:
        lines += ["", *textwrap.wrap(description, 100)]
    lines += ["", "flags:"]
    for field in _fields(config):
        head = f"  --{field.flag}" + ("" if field.boolean else f" {placeholder(field.type)}")
        lines.append(head)
        tail = "required" if field.default is dataclasses.MISSING else f"default: {field.shown}"
        unit = f"in {field.unit}; " if field.unit else ""
        more = "repeatable; " if field.repeated else ""
        lines += textwrap.wrap(
            f"{field.help} ({more}{unit}{tail})".strip(), 100, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    lines += ["  --config FILE", "      A YAML file with the same settings. (default: none)", "  --help"]
    lines += ["", f"Each flag is also read from the environment, as {_prefix(prog)}NAME."]
    return "\n".join(lines)


def _complain(prog: str, error: SettingsError) -> NoReturn:
    for problem in error.problems:
        print(f"{prog}: {problem}", file=sys.stderr)
    print(f"{prog}: try --help", file=sys.stderr)
    raise SystemExit(2)


def _fields(config: type[Any]) -> list[_Field]:
    hints = typing.get_type_hints(config)
    documented = _docstrings(config)
    fields = []
    for field in dataclasses.fields(config):
        if not field.init:
            continue
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        fields.append(
            _Field(
                name=field.name,
                flag=field.metadata.get("flag") or field.name.replace("_", "-"),
                type=hints[field.name],
                unit=field.metadata.get("unit"),
                help=field.metadata.get("help") or documented.get(field.name, ""),
                default=default,
                shown=field.metadata.get("shown") or shown(default),
            )
        )
    return fields


def _docstrings(config: type[Any]) -> dict[str, str]:
    """The strings that follow the fields in the class body; none when the source cannot be had."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(config))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    found: dict[str, str] = {}
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for statement, following in itertools.pairwise(statements):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found


def _read_flags(
    argv: Sequence[str], fields: Sequence[_Field], problems: list[str]
) -> tuple[dict[str, Any], str | None]:
    by_flag = {field.flag: field for field in fields}
    values: dict[str, Any] = {}
    config_file: str | None = None
    rest = list(argv)
    while rest:
        argument = rest.pop(0)
        if argument in ("-h", "--help", "-help"):
            raise HelpAsked
        if not argument.startswith("-") or argument in ("-", "--"):
            problems.append(f"unexpected argument {argument!r}")
            continue
        flag, equals, value = argument.lstrip("-").partition("=")
        field = by_flag.get(flag)
        if field is None and flag.startswith("no-") and (negated := by_flag.get(flag[3:])) and negated.boolean:
            if equals:
                problems.append(f"--{flag} takes no value")
            values[negated.name] = False
            continue
        if field is None and flag != "config":
            problems.append(f"unknown flag --{flag}" + _suggestion(flag, by_flag))
            if not equals and rest and not rest[0].startswith("-"):
                rest.pop(0)  # most likely its value
            continue
        if not equals:
            if field is not None and field.boolean:
                value = "true"
            elif rest:
                value = rest.pop(0)
            else:
                problems.append(f"--{flag} needs a value")
                continue
        if field is None:
            config_file = value
        elif field.repeated:
            values[field.name] = [*values.get(field.name, ()), *split(value)]
        else:
            values[field.name] = value
    return values, config_file


def _read_file(path: str, fields: Sequence[_Field], problems: list[str]) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        problems.append(f"--config: cannot read {path}: {error.strerror}")
        return {}
    except UnicodeDecodeError:
        problems.append(f"--config: {path} is not YAML: it is no text in UTF-8")
        return {}
    except yaml.YAMLError as error:
        problems.append(f"--config: {path} is not YAML: {error}")
        return {}
    if document is None:
        return {}
    if not isinstance(document, dict):
        problems.append(f"--config: {path} must hold a mapping, not a {type(document).__name__}")
        return {}
    names = {spelling: field.name for field in fields for spelling in _spellings(field)}
    values: dict[str, Any] = {}
    for key, value in document.items():
        name = names.get(str(key))
        if name is None:
            known = {field.flag: field for field in fields}
            problems.append(f"{path}: unknown key {key!r}" + _suggestion(str(key), known))
        else:
            values[name] = value
    return values


def _spellings(field: _Field) -> set[str]:
    first, *others = field.name.split("_")
    return {field.flag, field.name, field.name.replace("_", "-"), first + "".join(map(str.title, others))}


def _suggestion(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _prefix(prog: str) -> str:
    name = prog.removeprefix("python -m ").strip()
    return "".join(char if char.isalnum() else "_" for char in name).upper() + "_"
