"""Benchmarks: ratios side by side in one run, no pass or fail."""
