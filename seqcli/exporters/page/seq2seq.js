// The recurrent encoder-decoder.
//
// Every model has start(source) -> state and step(token, state) -> { logits, state, attention }.
// States are never changed, so hypotheses can share them. Attention is (S,), or null without it.

/** Embed the source and run a recurrent layer over it, in one direction or both. */
class Encoder {
  constructor(weights, config, cell) {
    const directions = config.bidirectional ? 2 : 1;
    this.embedding = weights.embedding("embedding");
    this.rnn = new RNN(weights.part("rnn"), cell, config.layers, directions, config.layer_norm);
  }

  /** Return the outputs (S, D * H) and the last state. */
  read(source) {
    const vectors = source.map((token) => this.embedding.row(token)); // (S, E)
    return this.rnn.read(source.length, (linear, s) => linear.apply(vectors[s]));
  }

  /** Return the highest layer's last hidden state in all directions (D * H,). */
  summary(last) {
    return concat(...last.slice(-this.rnn.directions).map(([hidden]) => hidden));
  }
}

/**
 * Compute the decoder's first state from the encoder's last, layer by layer.
 *
 * Learned: tanh of a linear layer over both directions (Bahdanau et al. 2015). The LSTM's cell
 * state has a linear layer of its own, without tanh. Not learned: the sum of the directions.
 */
class Bridge {
  constructor(weights, config) {
    this.layers = config.layers;
    this.directions = config.bidirectional ? 2 : 1;
    this.projection = config.bridge ? (i) => weights.linear(`projections.${i}`) : null;
  }

  apply(last) {
    const state = [];
    for (let layer = 0; layer < this.layers; layer++) {
      const runs = last.slice(layer * this.directions, (layer + 1) * this.directions);
      state.push(runs[0].map((_, i) => this.join(layer, i, runs.map((run) => run[i]))));
    }
    return state;
  }

  /** Join the vectors (H,) of all directions; `which` of the cell's vectors they are. */
  join(layer, which, vectors) {
    if (this.projection === null) return sumOf(vectors); // (H,)
    const projection = this.projection(which * this.layers + layer);
    const projected = projection.apply(concat(...vectors)); // (H,)
    return which === 0 ? tanh(projected) : projected;
  }
}

/**
 * A decoder without attention (Sutskever et al. 2014).
 *
 * Only its first state depends on the source.
 */
class PlainDecoder {
  constructor(weights, config, cell) {
    this.embedding = weights.embedding("embedding");
    this.rnn = new RNN(weights.part("rnn"), cell, config.layers, 1, config.layer_norm);
    this.output = outputOf(weights, this.embedding, config);
  }

  /** Precompute what each step needs of the encoder's outputs (S, D * H) and summary (D * H,). */
  prepare() {
    return {};
  }

  /** Read a token; return logits (V,), the last hidden layer (H,), the state, attention (S,). */
  step(token, memory, state) {
    const [hidden, next] = this.rnn.step(this.embedding.row(token), state);
    return { logits: this.output.apply(hidden), hidden, state: next, attention: null };
  }
}

/** A decoder without attention; every step reads a summary of the source (Cho et al. 2014). */
class ContextDecoder extends PlainDecoder {
  prepare(outputs, summary) {
    return { context: summary }; // (C,)
  }

  step(token, { context }, state) {
    const embedded = this.embedding.row(token); // (E,)
    const [hidden, next] = this.rnn.step(concat(embedded, context), state); // (H,)
    const logits = this.output.apply(concat(hidden, context, embedded)); // (V,)
    return { logits, hidden, state: next, attention: null };
  }
}

/** Attention after the cell (Luong et al. 2015). */
class LuongDecoder extends PlainDecoder {
  constructor(weights, config, cell, attention) {
    super(weights, config, cell);
    this.attention = attention;
    this.combine = weights.linear("combine");
  }

  prepare(outputs) {
    return { keys: this.attention.projectKeys(outputs), values: this.attention.values(outputs) };
  }

  step(token, { keys, values }, state) {
    const [output, next] = this.rnn.step(this.embedding.row(token), state); // (H,)
    const attention = this.attention.weights(this.attention.projectQuery(output), keys); // (S,)
    const context = weightedSum(attention, values); // (H,)
    const hidden = tanh(this.combine.apply(concat(output, context))); // (H,)
    return { logits: this.output.apply(hidden), hidden, state: next, attention };
  }
}

/** Attention before the cell, which reads the context (Bahdanau et al. 2015). */
class BahdanauDecoder {
  constructor(weights, config, cell, attention) {
    this.embedding = weights.embedding("embedding");
    this.cell = config.layer_norm ? new NormalizedCell(weights.part("cell"), cell) : cell;
    this.attention = attention;
    this.fromInput = weights.linear("from_input");
    this.fromContext = weights.linear("from_context");
    this.fromState = weights.linear("from_state");
    this.upper = null; // the layers above the one that attends
    if (config.layers > 1) {
      this.upper = new RNN(weights.part("upper"), cell, config.layers - 1, 1, config.layer_norm);
    }
    this.output = outputOf(weights, this.embedding, config);
  }

  prepare(outputs) {
    return { keys: this.attention.projectKeys(outputs), values: outputs };
  }

  step(token, { keys, values }, [first, ...above]) {
    const embedded = this.embedding.row(token); // (E,)
    const attention = this.attention.weights(this.attention.projectQuery(first[0]), keys); // (S,)
    const context = weightedSum(attention, values); // (D * H,)
    const inputs = add(this.fromInput.apply(embedded), this.fromContext.apply(context)); // (G,)
    const lowest = this.cell.combine(inputs, this.fromState.apply(first[0]), first);
    let [hidden, next] = [lowest[0], []]; // (H,)
    if (this.upper !== null) [hidden, next] = this.upper.step(hidden, above);
    const logits = this.output.apply(concat(hidden, context, embedded)); // (V,)
    return { logits, hidden, state: [lowest, ...next], attention };
  }
}

/** Exact hard monotonic attention (Wu and Cotterell 2019): positions never decrease. */
class MonotonicDecoder extends PlainDecoder {
  constructor(weights, config, cell, attention) {
    super(weights, config, cell);
    this.attention = attention;
    this.fromState = weights.linear("from_state");
    this.fromSource = weights.linear("from_source");
  }

  prepare(outputs) {
    const positions = outputs.map((x) => this.fromSource.apply(x)); // (S, H)
    return { keys: this.attention.projectKeys(outputs), positions };
  }

  /** Return log p(a_t = j | a_{t-1} = i) (S, S), log p(y_t | a_t = j) (S, V), and the state. */
  logProbabilities(token, { keys, positions }, state) {
    const [output, next] = this.rnn.step(this.embedding.row(token), state); // (H,)
    const energies = this.attention.energies(output, keys); // (S,)
    const transitions = keys.map((_, i) => {
      return logSoftmax(map(energies, (energy, j) => (j < i ? energy + MASKED : energy))); // (S,)
    });
    const projected = this.fromState.apply(output); // (H,)
    const emissions = positions.map((position) => {
      return logSoftmax(this.output.apply(tanh(add(projected, position)))); // (V,)
    });
    return { transitions, emissions, state: next };
  }
}

/** Return the output layer of a recurrent decoder. */
function outputOf(weights, embedding, config) {
  const factor = 1 / Math.sqrt(embedding.weight.columns);
  return weights.outputLayer(embedding, config.tied_embeddings, factor);
}

/** An encoder, a bridge and a decoder, and optionally a pointer-generator. */
class Seq2Seq {
  constructor(encoder, bridge, decoder, copy) {
    Object.assign(this, { encoder, bridge, decoder, copy });
  }

  start(source) {
    const { outputs, state } = this.encoder.read(source); // (S, D * H)
    const pointers = this.copy === null ? null : this.copy.pointers(source); // (S,)
    const memory = this.decoder.prepare(outputs, this.encoder.summary(state));
    return { memory, pointers, past: this.bridge.apply(state) };
  }

  step(token, { memory, pointers, past }) {
    const { logits, hidden, state, attention } = this.decoder.step(token, memory, past);
    return {
      logits: this.copy === null ? logits : this.copy.mix(logits, hidden, attention, pointers),
      state: { memory, pointers, past: state },
      attention,
    };
  }
}

/**
 * A recurrent encoder-decoder with exact hard monotonic attention.
 *
 * Its state has log p(a_t = j, y_t | y_<t, x) (S, V). The attention weights are p(a_t | y_<t, x).
 */
class MonotonicSeq2Seq extends Seq2Seq {
  start(source) {
    const vocabulary = this.decoder.embedding.weight.rows;
    const joint = source.map((_, s) => zeros(vocabulary).fill(s === 0 ? 0 : MASKED)); // (S, V)
    return { ...super.start(source), joint };
  }

  step(token, { memory, joint, past }) {
    const alignment = logSoftmax(Float64Array.from(joint, (scores) => scores[token])); // (S,)
    const { transitions, emissions, state } = this.decoder.logProbabilities(token, memory, past);
    const expected = map(alignment, (_, j) => {
      return logSumExp(map(alignment, (before, i) => before + transitions[i][j]));
    }); // (S,)
    const after = emissions.map((scores, j) => {
      return map(scores, (value) => value + expected[j]);
    }); // (S, V)
    return {
      logits: map(after[0], (_, v) => logSumExp(after.map((scores) => scores[v]))), // (V,)
      state: { memory, joint: after, past: state },
      attention: map(expected, Math.exp), // (S,)
    };
  }
}
