"""Caches of resources, kept true by list and watch, shared by all consumers of a component."""

from machinery.informer.informer import Informer, Informers, Selection
from machinery.informer.store import BY_CONTROLLER, Indexer, Store, by_controller
from machinery.informer.subscription import Change, Subscription

__all__ = [
    "BY_CONTROLLER",
    "Change",
    "Indexer",
    "Informer",
    "Informers",
    "Selection",
    "Store",
    "Subscription",
    "by_controller",
]
