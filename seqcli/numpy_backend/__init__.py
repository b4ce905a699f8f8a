"""A character language model by hand, in NumPy alone: a lesson that is also quick.

A name such as ``anna`` is learnt by guessing, at every position, which symbol comes next, the stop
symbol included. Read the files in this order: ``parameters``, ``packing``, ``rnn``, ``recurrence``,
``loss``, ``language_model``, ``optimization``, ``sampling``, ``searching``; then ``gru`` and
``lstm``, which are ``rnn`` with gates. This page is the mathematics behind them. ``trainer`` ties
them to the program's training loop; ``scope``, ``stored``, ``optimizer_state`` and ``threads`` say
what is refused, share checkpoints with PyTorch, and keep to one core.

Shapes
    V symbols, H width of the state, B names in a batch, T length of the longest, n names still
    running at position t, and P symbols in the batch altogether. A position is a row, so where a
    textbook writes Waa a for one column, the code writes a Waa^T for n rows.

Forward
    x is one-hot, (n, V). The state starts at 0 for every name::

        z_t = x_t Wax^T + ba + a_(t-1) Waa^T + bh      (n, H)
        a_t = tanh(z_t)                                (n, H)
        l_t = a_t Wya^T + by                           (n, V)   the logits
        p_t = softmax(l_t)                             (n, V)
        L   = -(1/P) sum over all P symbols of log p_t[y_t]     nats per symbol

    A one-hot row times Wax^T is a choice: the row of Wax^T for that symbol. So the product is never
    computed. ``input_rows`` adds ba to Wax^T once, (V, H), and indexing does the rest.

Backward
    Write dq for dL/dq; it has the shape of q. Begin at the end. For one row,
    log p[y] = l[y] - log sum exp(l), whose gradient at l is one_hot(y) - p, hence ::

        dl_t = (p_t - one_hot(y_t)) / P                (n, V)

    The logits are a product, and for C = A W^T the chain rule gives dA = dC W and dW = dC^T A; a
    bias is added to every row, so its gradient is the sum of dC over the rows. ::

        dWya = sum over t of dl_t^T a_t                (V, n)(n, H) = (V, H)
        dby  = sum over t and rows of dl_t             (V,)

    The state a_t is used twice: for the logits of position t and for the next state. Both send
    their share back, and this is all there is to "through time"::

        da_t = dl_t Wya  +  dz_(t+1) Waa               (n, V)(V, H) + (n', H)(H, H) = (n, H)
        dz_t = da_t (1 - a_t^2)                        (n, H)   because tanh' = 1 - tanh^2

    where n' <= n names run on after t; the others get nothing from the future. Going from the last
    position to the first gives every dz_t, and then, again by the rule for a product::

        dWaa = sum over t of dz_t^T a_(t-1)            (H, n)(n, H) = (H, H)
        dWax = sum over t of dz_t^T x_t                (H, n)(n, V) = (H, V)
        dba  = dbh = sum over t and rows of dz_t       (H,)

Why it is quick
    A loop over characters spends its time in the interpreter, at some ten NumPy calls for 50
    numbers. Here only what must wait for the previous position is done position by position: one
    product with Waa forward and one back, 2T small ones. Everything that is a "sum over t" above
    is a single product over all P rows of the batch, laid end to end (``packing``), and so are the
    logits and dl Wya: five large products for a batch of any length.

Other cells
    A cell gets zx = x Wax^T + ba and makes zh = a Waa^T + bh itself; it returns the gradients dzx
    and dzh at the two. All the sums over t are then the same for every cell, with dzx for Wax and
    ba, and dzh for Waa and bh. For the plain cell and the LSTM dzx is dzh, because the two are
    only added.

The names follow the classical exercise (Wax, Waa, Wya, ba, by, ``rnn_cell_forward`` ...). ``clip``
cuts values, ``clip_by_norm`` the length; ``optimize`` is one step; the loop is
`seqcli.training.loop`.
"""
