"""Decoding: generate complete predictions from a model that scores the next token.

One loop (`seqcli.decoding.loop`) steps a model of any backend. A `Strategy` chooses the tokens:
the most likely one (`greedy`), a random one (`sampling`), or the best hypotheses (`beam_search`).

Shapes use one alphabet: B sources, R unfinished sources, S source length, T target length,
K beam, V vocabulary.
"""
