"""Vocabularies, files, splits, ragged arrays and batches. NumPy only."""
