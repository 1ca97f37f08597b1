"""Benchmarks, run by hand. They measure the code and are no part of the package or its tests."""
