from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.rest import World, meeting


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    async with meeting() as one:
        yield one
