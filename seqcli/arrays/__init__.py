"""Arrays of any library that follows the Python array API standard (NumPy and PyTorch here)."""
