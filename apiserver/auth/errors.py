"""What goes wrong in authentication, before an edge makes a 401 of it.

InvalidToken    the credentials do not verify; says why, for a TokenReview or the log, never for the caller
"""

from __future__ import annotations


class InvalidToken(Exception):
    """A bearer token that this server should know and refuses."""
