"""What `storage.feed.Feed` is asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """List a part of the store into its cache, unless it is there. storage: as in `ResourceSpec.storage`."""

    storage: str
