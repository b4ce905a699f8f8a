"""The one place that reads and writes checkpoint files.

``content`` says what a checkpoint holds; ``torch_file`` and ``numpy_file`` read and write the same
file with PyTorch or with NumPy alone. Nothing is imported here, so that a reader takes only the
side it needs.
"""
