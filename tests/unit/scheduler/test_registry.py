"""The registry is complete."""

from __future__ import annotations

import pkgutil

import scheduler.plugins
from scheduler.framework.registry import NO_LISTERS, PLUGINS, profile
from scheduler.queue_hints import HINTS


def test_every_plugin_file_is_registered_under_its_own_name() -> None:
    made = {name: make(NO_LISTERS) for name, (make, _) in PLUGINS.items()}
    assert {name: plugin.name for name, plugin in made.items()} == {name: name for name in PLUGINS}
    files = {module.name for module in pkgutil.iter_modules(scheduler.plugins.__path__)}
    assert files == {type(plugin).__module__.rpartition(".")[2] for plugin in made.values()}


def test_everything_that_rejects_says_what_wakes_its_pods() -> None:
    found = profile()
    rejecting = (*found.node_filters, *found.place_filters, *found.pod_filters, *found.relation_filters)
    assert {plugin.name for plugin in rejecting} == set(HINTS)


def test_what_scores_has_a_weight() -> None:
    found = profile()
    assert all(weight > 0 for weight, _ in (*found.node_scores, *found.place_scores, *found.relation_scores))
