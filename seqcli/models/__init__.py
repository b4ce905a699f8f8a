"""Models with one interface, `seqcli.models.base.Model`; independent of files and training.

Shapes use one alphabet everywhere: B batch, S source length, T target length, V vocabulary,
E embedding, H hidden, A attention, C context, G gates x H, L layers, D directions, N heads,
K beam.
"""
