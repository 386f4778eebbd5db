"""The strategy of secrets: `stringData` is a way to write `data`, and is never stored."""

from __future__ import annotations

import base64
from typing import Any

from apiserver.resources.defaults import core as defaults
from apiserver.resources.strategy import Strategy
from apiserver.resources.validation import core as validation
from machinery.errors import FieldError

Object = dict[str, Any]


class SecretStrategy(Strategy):
    """Secrets."""

    generation = False
    status_subresource = False

    def default(self, obj: Object) -> None:
        written = obj.pop("stringData", None) or {}
        if written:
            encoded = {key: base64.b64encode(value.encode()).decode() for key, value in written.items()}
            obj["data"] = {**(obj.get("data") or {}), **encoded}
        defaults.secret(obj)

    def validate_create(self, obj: Object) -> list[FieldError]:
        return validation.secret(obj)

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        return validation.secret(obj) + validation.secret_update(obj, old)
