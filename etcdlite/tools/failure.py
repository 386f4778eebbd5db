"""What keeps a tool from its work."""

from __future__ import annotations


class ToolError(Exception):
    """It cannot be done; the text says why, and what to do. One line."""
