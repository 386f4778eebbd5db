"""How a command ends when it cannot do what was asked.

    CliError (exit 1)
    ├── UsageError      the words of the call are off; says where help is
    ├── ServerError     the server answered with a Status; printed as kubectl prints it
    └── Several         more than one of these; each is told

`main` prints them on standard error and exits with `exit_code`. Nothing else reaches the user but these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from machinery.errors import ApiError


class CliError(Exception):
    """A message for the user, and the exit code. `hint` is what to do next, "" when the message says it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code

    def render(self) -> str:
        lines = [self.message if self.message.startswith(("error:", "Error ")) else f"error: {self.message}"]
        if self.hint:
            lines.append(self.hint)
        return "\n".join(lines)


class UsageError(CliError):
    """The call itself is wrong."""


class ServerError(CliError):
    """What the server said, in kubectl's words: `Error from server (NotFound): pods "x" not found`."""

    def __init__(self, error: ApiError, *, doing: str = "") -> None:
        super().__init__(error.message)
        self.error = error
        self.doing = doing

    def render(self) -> str:
        error = self.error
        reason = f" ({error.reason})" if error.reason else ""
        doing = f"{self.doing}: " if self.doing else ""
        if error.code == 422:
            return _invalid(error.message, error.details)
        if error.code == 401:
            return f"error: You must be logged in to the server ({error.message})"
        return f"Error from server{reason}: {doing}{error.message}"


class Several(CliError):
    """More than one thing went wrong, each with an object of its own; the others were done."""

    def __init__(self, failures: Sequence[CliError]) -> None:
        super().__init__("\n".join(failure.message for failure in failures))
        self.failures = failures

    def render(self) -> str:
        return "\n".join(failure.render() for failure in self.failures)


def raise_any(failures: Sequence[CliError]) -> None:
    """Raise what was collected, if anything was."""
    if failures:
        raise failures[0] if len(failures) == 1 else Several(failures)


def _invalid(message: str, details: Mapping[str, Any]) -> str:
    """`The Deployment "web" is invalid: spec.replicas: ...`; several causes stand under each other, each once."""
    said = "The request is invalid"
    kind, name, causes = details.get("kind", ""), details.get("name", ""), details.get("causes") or ()
    if kind or name:
        said = f'The {kind} "{name}" is invalid'
    if not causes:
        return said if kind or name else f"{said}: {message}"
    fields = dict.fromkeys(f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in causes)
    lines = [text.removeprefix(": ") for text in fields]
    return f"{said}: {lines[0]}" if len(lines) == 1 else "\n".join([f"{said}: ", *(f"* {line}" for line in lines)])


def in_words(error: Exception) -> str:
    """An error in words, without a number: `./data: Permission denied`."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
