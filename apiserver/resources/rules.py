"""The strategy of a kind whose whole particularity is a few pure functions: most kinds need no class of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.resources.strategy import Strategy
from machinery.errors import FieldError
from machinery.objects.names import is_dns_subdomain

Object = dict[str, Any]


class Rules(Strategy):
    """A strategy made of functions.

    status, generation, create_on_update, unconditional, orphans, initial_status: the attributes of `Strategy`.
    default: fills in what the user left out. validate: what is wrong with an object. create: what a new one must not
    say, in addition. update: what an update must not change, in addition. validate_status: what is wrong with a status
    update (new, old). warn: what is accepted but deprecated. name: what is wrong with a name of this kind.
    """

    status_writes_metadata = True

    def __init__(
        self,
        *,
        status: bool = True,
        initial_status: Mapping[str, Any] | None = None,
        generation: bool = True,
        create_on_update: bool = False,
        unconditional: bool = True,
        orphans: bool = False,
        default: Callable[[Object], None] | None = None,
        validate: Callable[[Object], list[FieldError]] | None = None,
        create: Callable[[Object], list[FieldError]] | None = None,
        update: Callable[[Object, Object], list[FieldError]] | None = None,
        validate_status: Callable[[Object, Object], list[FieldError]] | None = None,
        warn: Callable[[Object], list[str]] | None = None,
        name: Callable[[str], list[str]] = is_dns_subdomain,
    ) -> None:
        self.status_subresource = status
        self.initial_status = initial_status
        self.generation = generation
        self.allow_create_on_update = create_on_update
        self.allow_unconditional_update = unconditional
        self.orphans_by_default = orphans
        self._default = default
        self._validate = validate
        self._create = create
        self._update = update
        self._validate_status = validate_status
        self._warn = warn
        self._name = name

    def default(self, obj: Object) -> None:
        if self._default is not None:
            self._default(obj)

    def name_problems(self, name: str) -> list[str]:
        return self._name(name)

    def validate_create(self, obj: Object) -> list[FieldError]:
        errors = self._valid(obj)
        return errors + self._create(obj) if self._create is not None else errors

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        errors = self._valid(obj)
        return errors + self._update(obj, old) if self._update is not None else errors

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        return self._validate_status(obj, old) if self._validate_status is not None else []

    def warnings(self, obj: Object) -> list[str]:
        return self._warn(obj) if self._warn is not None else []

    def _valid(self, obj: Object) -> list[FieldError]:
        return self._validate(obj) if self._validate is not None else []
