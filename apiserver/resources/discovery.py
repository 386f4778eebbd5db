"""The discovery.k8s.io group: where a service's traffic can go."""

from __future__ import annotations

from apiserver.resources.columns import networking as columns
from apiserver.resources.defaults import discovery as defaults
from apiserver.resources.rows import built_in
from apiserver.resources.rules import Rules
from apiserver.resources.validation import discovery as validation

ROWS = (
    built_in(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "endpointslices",
        columns=columns.ENDPOINT_SLICE,
        strategy=Rules(
            status=False,
            default=defaults.endpoint_slice,
            validate=validation.endpoint_slice,
            update=validation.endpoint_slice_update,
        ),
    ),
)
