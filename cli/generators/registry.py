"""Every generator, by the words after `create`."""

from __future__ import annotations

from collections.abc import Mapping

from cli.generators import contents, policy, rbac, services, workloads
from cli.generators.generator import Generator

GENERATORS: Mapping[str, Generator] = {
    **policy.GENERATORS,
    **workloads.GENERATORS,
    **contents.GENERATORS,
    **services.GENERATORS,
    **rbac.GENERATORS,
}
