"""`-o FORMAT`: one printer for objects, whichever format was asked for.

Tables (no `-o`, and `-o wide`) are the server's and `table.py` lays them out; all else is printed from objects.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from cli.errors import CliError
from cli.flags import Flag
from cli.output import documents

FORMATS = (
    "json",
    "yaml",
    "name",
    "wide",
    "jsonpath",
    "jsonpath-file",
    "jsonpath-as-json",
    "custom-columns",
    "custom-columns-file",
)

OUTPUT_FLAG = Flag("output", f"Output format. One of: ({', '.join(FORMATS)}).", short="o")

Print = Callable[[Any], str]
"""An object (or a List) -> its text, newline included."""


def is_table(output: str) -> bool:
    """Whether the format is one that the server's Table serves."""
    return output in ("", "wide")


def printer(output: str, *, name_of: Callable[[Any], str], headers: bool = True) -> Print:
    """The printer of a format other than a table.

    name_of: an object -> `pod/web`, for `-o name`. Raises CliError for a format we do not have or that does not parse.
    """
    kind, equals, argument = output.partition("=")
    match kind:
        case "json":
            return documents.to_json
        case "yaml":
            return documents.to_yaml
        case "name":
            return lambda obj: "".join(f"{name_of(item)}\n" for item in _items(obj))
        case "jsonpath" | "jsonpath-file" | "jsonpath-as-json":
            if not argument:
                raise CliError(f"template format specified but no template given: {kind}=TEMPLATE")
            return _jsonpath(kind, _read(argument) if kind == "jsonpath-file" else argument)
        case "custom-columns" | "custom-columns-file":
            from cli.output.columns import CustomColumns

            if kind == "custom-columns-file":
                columns = CustomColumns.from_template(_read(argument), headers=headers)
            else:
                columns = CustomColumns(argument, headers=headers)
            return lambda obj: "".join(f"{line}\n" for line in columns.lines(_items(obj)))
        case _:
            shown = f"{kind}=" if equals else kind
            raise CliError(
                f'unable to match a printer suitable for the output format "{shown}", allowed formats are: '
                f"{','.join(FORMATS)}"
            )


def _jsonpath(kind: str, text: str) -> Print:
    from cli.output import jsonpath

    try:
        template = jsonpath.parse(text)
    except jsonpath.JsonPathError as error:
        raise CliError(f"error parsing jsonpath {text}, {error}") from None

    def show(obj: Any) -> str:
        try:
            return documents.to_json(template.values(obj)) if kind == "jsonpath-as-json" else template.render(obj)
        except jsonpath.JsonPathError as error:
            raise CliError(f'error executing jsonpath "{text}": {error}') from None

    return show


def _items(obj: Any) -> Sequence[Any]:
    return obj["items"] if isinstance(obj.get("items"), list) and str(obj.get("kind", "")).endswith("List") else [obj]


def _read(filename: str) -> str:
    try:
        return pathlib.Path(filename).read_text()
    except OSError as error:
        raise CliError(f'cannot read "{filename}": {error.strerror}') from None
