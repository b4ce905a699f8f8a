"""A character language model trained by hand in NumPy, and the forward pass of every model.

This page derives the mathematics of the language model. A name such as ``anna`` is modeled by
predicting the next token at every position, ``<eos>`` included. Read the files in this order:
``parameters``, ``functional``, ``cells``, ``language_model``, ``optimizers``.
``trainer`` connects them to the program's training loop, and ``scope`` lists the settings that can
be trained this way. The package ``forward`` runs trained models of every kind, without
gradients.

Shapes
    V vocabulary, H size of the state, B names in a batch, T length of the longest name, n number of
    names that have a token at position t, and P total number of tokens in the batch. A position is
    a row, so where a textbook writes Waa a for one column, the code writes a Waa^T for n rows.

Forward
    x is one-hot, (n, V). The state of every name starts at 0::

        z_t = x_t Wax^T + ba + a_(t-1) Waa^T + bh      (n, H)
        a_t = tanh(z_t)                                (n, H)
        l_t = a_t Wya^T + by                           (n, V)   the logits
        p_t = softmax(l_t)                             (n, V)
        L   = -(1/P) sum over all P tokens of log p_t[y_t]      nats per token

    The product of a one-hot row with Wax^T selects a row of Wax^T, so it is never computed:
    ``input_rows`` adds ba to Wax^T once, (V, H), and indexing selects the rows.

Backward
    Write dq for dL/dq; it has the shape of q. Start at the end. For one row,
    log p[y] = l[y] - log sum exp(l), whose gradient at l is one_hot(y) - p, hence ::

        dl_t = (p_t - one_hot(y_t)) / P                (n, V)

    The logits are a product, and for C = A W^T the chain rule gives dA = dC W and dW = dC^T A. A
    bias is added to every row, so its gradient is the sum of dC over the rows. ::

        dWya = sum over t of dl_t^T a_t                (V, n)(n, H) = (V, H)
        dby  = sum over t and rows of dl_t             (V,)

    The state a_t is used twice: for the logits of position t and for the next state. Its gradient
    is the sum of both, which is all of "backpropagation through time"::

        da_t = dl_t Wya  +  dz_(t+1) Waa               (n, V)(V, H) + (n', H)(H, H) = (n, H)
        dz_t = da_t (1 - a_t^2)                        (n, H)   because tanh' = 1 - tanh^2

    where n' <= n names have a token after t; the others have no gradient from later positions.
    From the last position to the first this gives every dz_t, and then, again by the rule for a
    product::

        dWaa = sum over t of dz_t^T a_(t-1)            (H, n)(n, H) = (H, H)
        dWax = sum over t of dz_t^T x_t                (H, n)(n, V) = (H, V)
        dba  = dbh = sum over t and rows of dz_t       (H,)

Speed
    A loop over characters spends its time in the interpreter, with about ten NumPy calls for 50
    numbers. Here only what depends on the previous position is computed position by position: one
    product with Waa forward and one backward, 2T small ones. Every "sum over t" above is a single
    product over all P rows of the batch (`rnn_backward`), and so are the logits and dl Wya: five
    large products for a batch of any length.

Other cells
    A cell gets zx = x Wax^T + ba and computes zh = a Waa^T + bh itself; backward it returns the
    gradients dzx and dzh of the two. The sums over t are then the same for every cell, with dzx for
    Wax and ba, and dzh for Waa and bh. For the simple RNN and the LSTM dzx is dzh, because the two
    are only added.

The names are those of the classical exercise (Wax, Waa, Wya, ba, by, ``rnn_cell_forward`` ...).
``clip`` clips by value and ``clip_by_norm`` by norm; ``optimize`` is one step; the loop is
`seqcli.training.loop`.
"""
