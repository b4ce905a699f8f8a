"""Terminal views, tables, plots, logs and JSON documents.

Reports are made from events and results (numbers and strings), never from tensors. Import from the
modules: this package itself loads nothing heavy.
"""
