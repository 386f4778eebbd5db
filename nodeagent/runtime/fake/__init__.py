"""A container runtime that runs nothing: our CRI v1 server, driven by stage files, annotations and Python functions."""

from nodeagent.runtime.fake.server import FakeRuntime
from nodeagent.runtime.fake.stages import Behaviour, Facts, Stage

__all__ = ["Behaviour", "Facts", "FakeRuntime", "Stage"]
