"""The syntax of a cron schedule, and what is said of one that does not parse.

Five fields (minute, hour, day of month, month, day of week), each a list of `*`, `?`, numbers, names, ranges and steps;
or a descriptor such as `@daily` or `@every 1h30m`. Rule: the parser of robfig/cron, as kube-apiserver uses it.
"""

from __future__ import annotations

from machinery.objects.timefmt import parse_duration

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    (0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


def problem(schedule: str) -> str:
    """What is wrong with a schedule; "" when it is good."""
    if not schedule:
        return "empty spec string"
    if schedule.startswith("@"):
        return _descriptor_problem(schedule)
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for field, (low, high, names) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            if part and (said := _range_problem(part, low, high, names)):
                return said
    return ""


def _descriptor_problem(schedule: str) -> str:
    if schedule in _DESCRIPTORS:
        return ""
    if schedule.startswith("@every "):
        duration = schedule.removeprefix("@every ")
        try:
            parse_duration(duration)
        except ValueError as error:
            return f"failed to parse duration {schedule}: {error}"
        return ""
    return f"unrecognized descriptor: {schedule}"


def _range_problem(part: str, low: int, high: int, names: dict[str, int]) -> str:
    """One range: `*`, `a`, `a-b`, each with an optional `/step`."""
    ends, slash, step_text = part.partition("/")
    if "/" in step_text:
        return f"too many slashes: {part}"
    first, dash, last = ends.partition("-")
    if first in ("*", "?"):
        start, end = low, high
    else:
        if "-" in last:
            return f"too many hyphens: {part}"
        values: list[int] = []
        for text in (first, last) if dash else (first,):
            value = names.get(text.lower())
            if value is None:
                if said := _number_problem(text):
                    return said
                value = int(text)
            values.append(value)
        start, end = values[0], values[-1]
        if slash and not dash:
            end = high
    if slash:
        if said := _number_problem(step_text):
            return said
        if int(step_text) == 0:
            return f"step of range should be a positive number: {part}"
    if start < low:
        return f"beginning of range ({start}) below minimum ({low}): {part}"
    if end > high:
        return f"end of range ({end}) above maximum ({high}): {part}"
    if start > end:
        return f"beginning of range ({start}) beyond end of range ({end}): {part}"
    return ""


def _number_problem(text: str) -> str:
    try:
        number = int(text)
    except ValueError:
        return f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
    return f"negative number ({number}) not allowed: {text}" if number < 0 else ""
