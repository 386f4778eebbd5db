"""Leases in time: what expires when."""
