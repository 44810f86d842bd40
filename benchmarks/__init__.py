"""Benchmarks, with the tools that we compare with."""
