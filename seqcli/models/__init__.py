"""Models with one interface, `seqcli.models.base.Model`; independent of files and training.

To read them in order: `cells` (RNN, GRU, LSTM), `rnn` (layers of cells), `attention`, `decoders`,
`seq2seq` (encoder, bridge and decoder), `positions`, `transformer_layers`, `transformer`,
`language_model`; then `copying` and `monotonic`. `kernels` has faster CPU versions of some
computations, each with a plain reference: nothing else needs to be read to understand a model.

Shapes use one alphabet everywhere:

=====  ==========================================================================
B      batch: sources (or texts of a language model)
S, T   source length, target length
V      vocabulary, with the special tokens
E, H   size of an embedding, hidden size (the width of a Transformer)
I      size of any input
G      gates * H: a cell computes all its gates at once
L, D   layers, directions (2 if bidirectional)
A, C   size of attention's queries and keys, of its context
N, d   attention heads, size of a head: H / N
K, R   beam width, rows: R = B * K, the K hypotheses of a source next to each other
U      distinct tokens of a batch
=====  ==========================================================================
"""
