"""Comparisons of models: specification, plan, results of runs, and their summary.

Only NumPy is needed: training and reports are elsewhere.
"""
