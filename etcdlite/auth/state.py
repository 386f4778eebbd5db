"""Users, roles and permissions as a state machine. Pure: no clock, no password is looked at, nothing waits.

Every change counts the auth revision up by one, except that enabling does not and that granting a role twice changes
nothing. What each change wrote is handed to `save`, for the log; `entries` is all of it, for a snapshot.

Source: etcd's `server/auth/store.go`.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from etcdlite import keyrange
from etcdlite.auth.ranges import Ranges
from etcdlite.errors import (
    InvalidAuthMgmt,
    PermissionNotGranted,
    RoleEmpty,
    RoleExists,
    RoleNotFound,
    RoleNotGranted,
    RootRoleMissing,
    RootUserMissing,
    UserEmpty,
    UserExists,
    UserNotFound,
)
from protos.pool import messages

ROOT = "root"
"""The user who must exist, and the role that may do everything."""
READ, WRITE, READWRITE = range(3)
"""Kinds of permission, with authpb's numbers."""

META, USERS, ROLES = "auth", "auth/users", "auth/roles"
"""Buckets of entries."""
_ENABLED, _REVISION = b"enabled", b"revision"

Entry = tuple[str, bytes, bytes]
Save = Callable[[str, bytes, bytes | None], None]
"""Called with (bucket, name, value); None deletes."""


class Permission(NamedTuple):
    """What a role may do (READ, WRITE or READWRITE) with a range of keys, written as etcd writes ranges."""

    kind: int
    key: bytes
    range_end: bytes

    @property
    def valid(self) -> bool:
        """False for a range without a key, or one that ends before it starts."""
        return bool(self.key) and (not self.range_end or not keyrange.of(self.key, self.range_end).empty)


@dataclass(frozen=True, slots=True)
class User:
    """password: the hash; b"" never matches. roles: in order of their names. no_password: by certificate only."""

    name: str
    password: bytes = field(default=b"", repr=False)
    roles: tuple[str, ...] = ()
    no_password: bool = False

    @property
    def is_root(self) -> bool:
        """True when they may do everything."""
        return ROOT in self.roles


@dataclass(frozen=True, slots=True)
class Role:
    """permissions: in order of their keys."""

    name: str
    permissions: tuple[Permission, ...] = ()


class AuthState:
    """All of it. Starts from the `entries` of another one; without them, disabled, at revision 1."""

    def __init__(self, entries: Iterable[Entry] = (), *, save: Save = lambda bucket, name, value: None) -> None:
        self._save = save
        self.restore(entries)

    def restore(self, entries: Iterable[Entry]) -> None:
        """Be what these entries say, whatever it was before."""
        self.enabled = False
        self.revision = 1
        self._users: dict[str, User] = {}
        self._roles: dict[str, Role] = {}
        self._ranges: dict[tuple[str, int], Ranges] = {}
        for bucket, name, value in entries:
            if bucket == USERS:
                self._users[name.decode()] = _user_from(value)
            elif bucket == ROLES:
                self._roles[name.decode()] = _role_from(value)
            elif (bucket, name) == (META, _ENABLED):
                self.enabled = value == b"\1"
            elif (bucket, name) == (META, _REVISION):
                self.revision = int.from_bytes(value, "big")

    def entries(self) -> Iterator[Entry]:
        """Everything, as `save` was told it."""
        yield META, _ENABLED, b"\1" if self.enabled else b"\0"
        yield META, _REVISION, self.revision.to_bytes(8, "big")
        for user in self._users.values():
            yield USERS, user.name.encode(), _user_bytes(user)
        for role in self._roles.values():
            yield ROLES, role.name.encode(), _role_bytes(role)

    # ---- asking -----------------------------------------------------------------------------------------------

    def find(self, name: str) -> User | None:
        """A user, or None."""
        return self._users.get(name)

    def user(self, name: str) -> User:
        """A user. Raises UserNotFound."""
        try:
            return self._users[name]
        except KeyError:
            raise UserNotFound from None

    def role(self, name: str) -> Role:
        """A role. Raises RoleNotFound."""
        try:
            return self._roles[name]
        except KeyError:
            raise RoleNotFound from None

    def user_names(self) -> list[str]:
        """Of all users, sorted."""
        return sorted(self._users)

    def role_names(self) -> list[str]:
        """Of all roles, sorted."""
        return sorted(self._roles)

    def ranges(self, user: User, kind: int) -> Ranges:
        """The keys that a user may read (READ) or write (WRITE) by the roles granted; kept until something changes."""
        found = self._ranges.get((user.name, kind))
        if found is None:
            found = self._ranges[user.name, kind] = Ranges(
                keyrange.of(permission.key, permission.range_end)
                for name in user.roles
                if name in self._roles
                for permission in self._roles[name].permissions
                if permission.kind in (kind, READWRITE)
            )
        return found

    # ---- on and off -------------------------------------------------------------------------------------------

    def enable(self) -> None:
        """Raises RootUserMissing, RootRoleMissing."""
        if self.enabled:
            return
        root = self._users.get(ROOT)
        if root is None:
            raise RootUserMissing
        if not root.is_root:
            raise RootRoleMissing
        self.enabled = True
        self._save(META, _ENABLED, b"\1")

    def disable(self) -> None:
        """Users and roles stay."""
        if not self.enabled:
            return
        self.enabled = False
        self._save(META, _ENABLED, b"\0")
        self._changed()

    # ---- users ------------------------------------------------------------------------------------------------

    def add_user(self, name: str, *, password: bytes, no_password: bool) -> None:
        """password: its hash. Raises UserEmpty, UserExists."""
        if not name:
            raise UserEmpty
        if name in self._users:
            raise UserExists
        self._put_user(User(name, b"" if no_password else password, no_password=no_password))
        self._changed()

    def delete_user(self, name: str) -> None:
        """Raises InvalidAuthMgmt for root while enabled, UserNotFound."""
        if self.enabled and name == ROOT:
            raise InvalidAuthMgmt
        del self._users[self.user(name).name]
        self._save(USERS, name.encode(), None)
        self._changed()

    def change_password(self, name: str, password: bytes) -> None:
        """password: its hash; a user without password stays without. Raises UserNotFound."""
        user = self.user(name)
        self._put_user(replace(user, password=b"" if user.no_password else password))
        self._changed()

    def grant_role(self, name: str, role: str) -> None:
        """The role root can be granted without existing. Raises UserNotFound, RoleNotFound."""
        user = self.user(name)
        if role != ROOT:
            self.role(role)
        if role not in user.roles:
            self._put_user(replace(user, roles=tuple(sorted((*user.roles, role)))))
            self._changed()

    def revoke_role(self, name: str, role: str) -> None:
        """Raises InvalidAuthMgmt for root's role root while enabled, UserNotFound, RoleNotGranted."""
        if self.enabled and name == ROOT and role == ROOT:
            raise InvalidAuthMgmt
        user = self.user(name)
        if role not in user.roles:
            raise RoleNotGranted
        self._put_user(_without(user, role))
        self._changed()

    # ---- roles ------------------------------------------------------------------------------------------------

    def add_role(self, name: str) -> None:
        """Raises RoleEmpty, RoleExists."""
        if not name:
            raise RoleEmpty
        if name in self._roles:
            raise RoleExists
        self._put_role(Role(name))
        self._changed()

    def delete_role(self, name: str) -> None:
        """Whoever had it loses it. Raises InvalidAuthMgmt for root while enabled, RoleNotFound."""
        if self.enabled and name == ROOT:
            raise InvalidAuthMgmt
        del self._roles[self.role(name).name]
        self._save(ROLES, name.encode(), None)
        for user in [user for user in self._users.values() if name in user.roles]:
            self._put_user(_without(user, name))
        self._changed()

    def grant_permission(self, name: str, permission: Permission) -> None:
        """Raises InvalidAuthMgmt for a range that cannot be, RoleNotFound.

        As in etcd, the kind is replaced where the first permission that begins at this key ends where this one does;
        otherwise the permission is added, even if it stands further behind."""
        if not permission.valid:
            raise InvalidAuthMgmt
        role = self.role(name)
        permissions = list(role.permissions)
        at = bisect.bisect_left(permissions, permission.key, key=lambda found: found.key)
        if at < len(permissions) and permissions[at][1:] == permission[1:]:
            permissions[at] = permission
        else:
            bisect.insort_right(permissions, permission, key=lambda found: found.key)
        self._put_role(replace(role, permissions=tuple(permissions)))
        self._changed()

    def revoke_permission(self, name: str, key: bytes, range_end: bytes) -> None:
        """Raises RoleNotFound, PermissionNotGranted."""
        role = self.role(name)
        left = tuple(permission for permission in role.permissions if permission[1:] != (key, range_end))
        if len(left) == len(role.permissions):
            raise PermissionNotGranted
        self._put_role(replace(role, permissions=left))
        self._changed()

    # ---- how --------------------------------------------------------------------------------------------------

    def _put_user(self, user: User) -> None:
        self._users[user.name] = user
        self._save(USERS, user.name.encode(), _user_bytes(user))

    def _put_role(self, role: Role) -> None:
        self._roles[role.name] = role
        self._save(ROLES, role.name.encode(), _role_bytes(role))

    def _changed(self) -> None:
        self._ranges.clear()
        self.revision += 1
        self._save(META, _REVISION, self.revision.to_bytes(8, "big"))


def _without(user: User, role: str) -> User:
    return replace(user, roles=tuple(name for name in user.roles if name != role))


# ---- as etcd's messages ---------------------------------------------------------------------------------------


def _user_bytes(user: User) -> bytes:
    message: Any = messages("authpb").User(
        name=user.name.encode(), password=user.password, roles=user.roles, options={"no_password": user.no_password}
    )
    return bytes(message.SerializeToString())


def _user_from(value: bytes) -> User:
    message = messages("authpb").User.FromString(value)
    return User(message.name.decode(), message.password, tuple(message.roles), message.options.no_password)


def _role_bytes(role: Role) -> bytes:
    message: Any = messages("authpb").Role(
        name=role.name.encode(),
        keyPermission=[
            {"permType": permission.kind, "key": permission.key, "range_end": permission.range_end}
            for permission in role.permissions
        ],
    )
    return bytes(message.SerializeToString())


def _role_from(value: bytes) -> Role:
    message = messages("authpb").Role.FromString(value)
    permissions = (Permission(found.permType, found.key, found.range_end) for found in message.keyPermission)
    return Role(message.name.decode(), tuple(permissions))
