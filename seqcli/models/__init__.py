"""Models, all on one contract (see `base.Model`). They know nothing of files or training.

Shapes use one alphabet everywhere: B batch, S source length, T target length, V vocabulary,
E embedding, H hidden, A attention, C context, G gates x H, L layers, D directions, N heads,
K beam.
"""
