"""What can go wrong between actors.

ActorError
├── DeadRef          the actor behind the address has ended for good
├── AskTimeout       no answer in time (also a TimeoutError)
├── DeadlockError    the ask could never be answered: the asker itself holds up the answer
├── ActorCrashed     the actor crashed while it handled the message; ``__cause__`` says of what
├── MailboxFull      the message was pushed out, or the actor was closed, by the overflow policy
└── RestartLimit     a supervisor gave up: a child crashed too often

Refused              not of the runtime: what an actor raises when it cannot run, and its text says all
"""

from __future__ import annotations


class ActorError(Exception):
    """The root of the errors that the runtime itself raises; carries the path of the actor concerned."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


class DeadRef(ActorError):
    """The actor has ended for good: nobody will ever handle the message."""

    def __init__(self, path: str) -> None:
        super().__init__(path, f"actor has ended path={path}")


class AskTimeout(ActorError, TimeoutError):
    """No answer within ``timeout`` seconds. The message may still be handled later, unless it had not begun."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__(path, f"no answer within {timeout:g}s path={path}")
        self.timeout = timeout


class DeadlockError(ActorError):
    """The wait could never end: the asker (or somebody who waits for it) would have to answer."""

    def __init__(self, path: str, chain: tuple[str, ...]) -> None:
        super().__init__(path, "would wait for itself: " + " -> ".join(chain))
        self.chain = chain


class ActorCrashed(ActorError):
    """The actor crashed while it handled this message; the message is not handled again."""

    def __init__(self, path: str, error: BaseException) -> None:
        super().__init__(path, f"actor crashed path={path} error={error!r}")
        self.__cause__ = error


class MailboxFull(ActorError):
    """The overflow policy dropped this message (``DROP_OLDEST``) or closed the actor (``CLOSE``)."""

    def __init__(self, path: str) -> None:
        super().__init__(path, f"mailbox is full path={path}")


class RestartLimit(ActorError):
    """A child crashed more often than its supervisor's intensity allows; ``__cause__`` is its last error."""

    def __init__(self, path: str, error: BaseException | None) -> None:
        super().__init__(path, f"restart limit reached path={path} last_error={error!r}")
        self.__cause__ = error


class Refused(Exception):
    """The base of errors that a person must act upon, and whose text says everything: logged without a traceback."""
