"""Comparisons of models: specification, plan, results of runs, and their summary.

This package needs only NumPy. Training and reports are in other packages.
"""
