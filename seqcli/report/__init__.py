"""What a person or a program reads: terminal views, tables, plots, logs and JSON documents.

Takes events and results (numbers and strings), never tensors. Import what you need from its
modules: nothing heavy is loaded here.
"""
