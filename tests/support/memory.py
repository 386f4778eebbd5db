"""What is held in memory, and freed as soon as nothing refers to it any more."""

from __future__ import annotations

import contextlib
import gc
import tracemalloc
from collections.abc import Iterator


@contextlib.contextmanager
def traced() -> Iterator[None]:
    """Memory is counted, and only what nothing refers to any more is freed."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
        gc.enable()


def held() -> int:
    """Bytes that were allocated since `traced` began, and are held."""
    return tracemalloc.get_traced_memory()[0]
