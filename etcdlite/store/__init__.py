"""The revisioned state: key index, records, transactions, compaction, and the SQLite log behind them."""
