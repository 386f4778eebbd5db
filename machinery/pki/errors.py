"""What the certificates of TLS can have wrong."""

from __future__ import annotations


class TlsError(ValueError):
    """A certificate, key or authority is missing, unreadable or does not fit; says which file."""
