"""Label and field selectors of a request, parsed against what its kind offers, and applied to cache entries."""

from __future__ import annotations

from dataclasses import dataclass

from apiserver.resources.spec import ResourceSpec
from apiserver.storage.cache import Entry
from apiserver.storage.keys import path_of
from machinery.errors import BadRequest
from machinery.objects import fields as field_selectors
from machinery.objects import selectors
from machinery.objects.fields import METADATA_FIELDS, FieldSelector
from machinery.objects.selectors import Selector, SelectorError


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a resource a request is about. path: the only one it can be, when the selector names it."""

    spec: ResourceSpec
    namespace: str
    labels: Selector
    fields: FieldSelector
    path: str
    trigger: tuple[str, str] | None

    @property
    def everything(self) -> bool:
        """Whether the namespace is all that restricts it."""
        return self.labels.everything and self.fields.everything

    def matches(self, entry: Entry) -> bool:
        """Whether an object of the namespace is selected."""
        if not self.fields.everything and not self.fields.matches(entry.fields(self.spec).__getitem__):
            return False
        return self.labels.everything or self.labels.matches(entry.labels())


def select(spec: ResourceSpec, namespace: str, label_selector: str, field_selector: str) -> Selection:
    """Raises BadRequest for selectors that do not parse, or fields that the kind does not offer."""
    try:
        labels = selectors.parse(label_selector) if label_selector else selectors.EVERYTHING
        fields = field_selectors.parse(field_selector) if field_selector else field_selectors.EVERYTHING
    except SelectorError as error:
        raise BadRequest(str(error)) from None
    _check_fields(spec, fields)
    name = fields.exact("metadata.name")
    within = namespace or fields.exact("metadata.namespace") or ""
    path = path_of(within, name) if name and (within or not spec.namespaced) else ""
    trigger = next(((field, value) for field in spec.selectable if (value := fields.exact(field)) is not None), None)
    return Selection(spec, namespace, labels, fields, path, trigger)


def _check_fields(spec: ResourceSpec, selector: FieldSelector) -> None:
    """Raises BadRequest for a field that the kind does not offer; one that offers none of its own says what all do."""
    try:
        selector.check((*METADATA_FIELDS, *spec.selectable))
    except SelectorError as error:
        if spec.selectable or spec.structural is not None:
            raise BadRequest(str(error)) from None
        offered = {*METADATA_FIELDS}
        unknown = next(each.field for each in selector.requirements if each.field not in offered)
        all_offer = ", ".join(f'"{field}"' for field in METADATA_FIELDS)
        raise BadRequest(f'"{unknown}" is not a known field selector: only {all_offer}') from None


def named(context_name: str, field_selector: str) -> str:
    """The name that a collection request is about, for authorization: upstream reads it off `metadata.name=`."""
    if context_name or not field_selector:
        return context_name
    try:
        return field_selectors.parse(field_selector).exact("metadata.name") or ""
    except SelectorError:
        return ""  # it is refused later, in better words
