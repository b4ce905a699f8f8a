"""Synthetic tasks: rows that are a pure function of (seed, split, index). NumPy only."""
