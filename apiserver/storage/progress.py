"""Which releases of etcd answer a progress request truly.

Others tell a revision whose events are still to come (etcd issues 15220 and 17507): who believes them reads what is
old, and resumes behind events that it never saw. The limits are upstream's (`storage/feature`).
"""

from __future__ import annotations

import re

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")


def trusted(version: str) -> bool:
    """Whether a member of this version may be asked. One that cannot be read may not."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return False
    numbers = tuple(int(part) for part in match.groups())
    return (3, 4, 31) <= numbers < (3, 5, 0) or numbers >= (3, 5, 13)
