"""Ours against a named peer and a floor, side by side: ``python -m bench_tests.speed``."""
