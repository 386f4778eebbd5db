"""The strategy of nodes: an agent registers its node status and all; later the two are written apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiserver.resources.defaults import core as defaults
from apiserver.resources.strategy import Strategy
from apiserver.resources.validation import nodes as validation
from machinery.errors import FieldError

if TYPE_CHECKING:
    from apiserver.verbs.context import RequestContext

Object = dict[str, Any]


class NodeStrategy(Strategy):
    """Nodes."""

    generation = False
    status_writes_metadata = True

    def default(self, obj: Object) -> None:
        defaults.node(obj)

    def prepare_create(self, context: RequestContext, obj: Object) -> None:
        """A new node keeps the status that its agent sends along."""

    def validate_create(self, obj: Object) -> list[FieldError]:
        return validation.node(obj)

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        return validation.node_update(obj, old)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        return validation.node_status(obj)
