"""The etcd v3 services over the store: one service per file."""
