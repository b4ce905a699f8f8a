"""The training loop, schedules and progress, and the trainer of the PyTorch backend."""
