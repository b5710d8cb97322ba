"""The same work done by other libraries, side by side with ours: `python -m benchmarks.peers --help`."""
