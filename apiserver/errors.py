"""What this server answers besides the errors that `machinery.errors` knows.

ApiError
└── Gone
    └── ExpiredList   a continue token whose revision is compacted; names one that still works
"""

from __future__ import annotations

from typing import Any

from machinery.errors import Gone

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


class ExpiredList(Gone):
    """continue_token: goes on from the newest state, with an inconsistent list as the result."""

    def __init__(self, continue_token: str) -> None:
        super().__init__(_EXPIRED)
        self.continue_token = continue_token

    def status(self) -> dict[str, Any]:
        return {**super().status(), "metadata": {"continue": self.continue_token}}
