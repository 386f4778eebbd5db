"""Watches: cursors, the lookup from keys to watches, and one stream per client."""
