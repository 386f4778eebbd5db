"""PatchError
├── PatchMalformed   the patch is no patch: 400
└── PatchFailed      a good patch that does not fit this object: 422
    └── NoMergeKey   an item that cannot be found again, in upstream's words
"""


class PatchError(ValueError):
    """A patch that cannot be applied."""


class PatchMalformed(PatchError):
    """The patch itself is wrong, whatever the object."""


class PatchFailed(PatchError):
    """The patch does not fit the object: a test fails, a path is missing."""


class NoMergeKey(PatchFailed):
    """An item of a list that is merged by a key does not have it."""
