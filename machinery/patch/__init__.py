"""The four ways to say a change of an object: JSON Patch, merge patch, strategic merge patch, server-side apply.

Each is a pure function of documents. They raise `PatchError`, which says in upstream's words what is wrong
with the patch.
"""

from machinery.patch.errors import PatchError

__all__ = ["PatchError"]
