"""Decoding: from a model that scores the next token to whole predictions.

One loop (`seqcli.decoding.loop`) steps a model of any backend. A `Strategy` chooses the tokens:
the likeliest (`greedy`), a draw (`sampling`), or the best few hypotheses (`beam_search`).

Shapes use one alphabet: B sources, R sources not finished yet, S source length, T target length,
K beam, V vocabulary.
"""
