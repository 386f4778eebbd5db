"""The roles and bindings that every cluster starts with, as data, and what keeps them in place."""
