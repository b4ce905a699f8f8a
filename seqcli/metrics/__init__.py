"""Metrics: definitions, predictions and their files, scores with intervals."""
