"""Read and write checkpoint files.

``content`` defines what a checkpoint contains; ``torch_file`` and ``numpy_file`` read and write the
same file with PyTorch or with NumPy alone. Nothing is imported here, so that a caller imports only
the backend that it needs.
"""
