"""Trained models in the formats of other programs (`seqcli.export` is the verb, a function)."""
