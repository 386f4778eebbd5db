"""pytest fixtures: a cluster for a test, and a maker of several.

    async def test_my_controller(cluster):            # one fake node, real controllers and scheduler
        client = cluster.client()

    async def test_two(make_cluster):
        one, two = await make_cluster(name="one"), await make_cluster(name="two", nodes=3)

Needs pytest-asyncio, whose `auto` mode or `@pytest.mark.asyncio` runs the test; without it only those tests fail that
ask for these fixtures. Clusters are stopped after the test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pilothouse.cluster import Cluster

MISSING = "the fixtures of pilothouse need pytest-asyncio: pip install pytest-asyncio"


async def _make_cluster() -> AsyncIterator[Callable[..., Awaitable[Cluster]]]:
    """Starts clusters, with the arguments of `pilothouse.Cluster`, once their nodes are Ready."""
    from pilothouse.cluster import Cluster

    async with AsyncExitStack() as stack:

        async def make(**settings: Any) -> Cluster:
            cluster = await stack.enter_async_context(Cluster(**settings))
            await cluster.nodes_ready()
            return cluster

        yield make


async def _cluster(make_cluster: Callable[..., Awaitable[Cluster]]) -> Cluster:
    """A cluster with one fake node, in memory."""
    return await make_cluster()


def _missing() -> None:
    pytest.fail(MISSING, pytrace=False)


def _fixture(make: Callable[..., Any]) -> Any:
    """A fixture of pytest-asyncio; without that, one that says so: every pytest run imports this module."""
    name = make.__name__.removeprefix("_")
    try:
        import pytest_asyncio
    except ImportError:
        return pytest.fixture(_missing, name=name)
    return pytest_asyncio.fixture(make, name=name)


make_cluster, cluster = _fixture(_make_cluster), _fixture(_cluster)
