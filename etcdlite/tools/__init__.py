"""What operators run: copies of a store, stores from copies, checks, compaction. One command per file."""
