"""What Pilothouse takes in time and memory, measured: `python -m benchmarks`, or `make bench`."""
