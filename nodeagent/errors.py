"""What can go wrong on a node.

AgentError
├── StageError          a stage file or annotation of the fake runtime is malformed
├── ConfigError         a container's configuration cannot be made (CreateContainerConfigError)
├── MountError          a volume is not there yet (event FailedMount; the pod waits)
├── ImageError          an image cannot be had; `reason` is what the container waits for
├── ProbeFailed         nobody answered a probe; the text is the probe's output
└── LogError            logs cannot be had; `code` is the HTTP code of the answer
"""

from __future__ import annotations

from machinery.rpc import RpcError


class AgentError(Exception):
    """Any of these. The message is what users see in a status, an event or an answer."""


class StageError(AgentError):
    """A stage of the fake runtime that makes no sense."""


class ConfigError(AgentError):
    """A container cannot be configured: a referenced key is missing, a user is not allowed."""


class MountError(AgentError):
    """A volume cannot be set up now. The pod waits and the agent tries again."""


class ImageError(AgentError):
    """No image: `reason` is ErrImagePull, ImagePullBackOff, ErrImageNeverPull or InvalidImageName."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ProbeFailed(AgentError):
    """A probe got no answer; the text says why in the words of Go's network errors, which users search for."""


class LogError(AgentError):
    """Logs that cannot be served, with the HTTP code to answer."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def rpc_text(error: RpcError) -> str:
    """A runtime's error as Go writes it, which is how users meet it in statuses and events."""
    code = "".join(word.capitalize() for word in error.code.name.split("_"))
    return f"rpc error: code = {code} desc = {error.message}"
