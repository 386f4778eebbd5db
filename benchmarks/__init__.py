"""What DESIGN promises of speed and memory, measured: `python -m benchmarks`, or `make bench`."""
