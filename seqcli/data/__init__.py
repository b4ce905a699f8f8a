"""Read and encode data: vocabularies, files, splits and batches. NumPy only."""
