// Recurrent cells, and recurrent layers over a sequence.
//
// The state of a cell is an array of vectors (H,); the first one is its output.

/** The simple recurrent cell (Elman 1990): h' = tanh(W x + U h), or with ReLU instead of tanh. */
class RNNCell {
  constructor(activation) {
    this.states = 1;
    this.activation = activation === "relu" ? relu : tanh;
  }

  /** Return the next state from W x + b (G,), U h + c (G,), and the state before. */
  combine(inputs, recurrent) {
    return [this.activation(add(inputs, recurrent))];
  }
}

/** The gated recurrent unit (Cho et al. 2014): h' = (1 - z) n + z h; gates in the order r, z, n. */
class GRUCell {
  constructor() {
    this.states = 1;
  }

  combine(inputs, recurrent, [h]) {
    const H = h.length;
    const r = sigmoid(add(block(inputs, 0, H), block(recurrent, 0, H))); // reset gate
    const z = sigmoid(add(block(inputs, 1, H), block(recurrent, 1, H))); // update gate
    const before = block(recurrent, 2, H);
    const n = map(block(inputs, 2, H), (value, i) => Math.tanh(value + r[i] * before[i]));
    return [map(n, (value, i) => value + z[i] * (h[i] - value))];
  }
}

/**
 * The LSTM (Hochreiter and Schmidhuber 1997) with a forget gate (Gers 2000).
 *
 * c' = f c + i g and h' = o tanh(c'), with gates in the order i, f, g, o.
 */
class LSTMCell {
  constructor() {
    this.states = 2;
  }

  combine(inputs, recurrent, [, c]) {
    const H = c.length;
    const total = add(inputs, recurrent); // (4 * H,)
    const [i, f, o] = [0, 1, 3].map((k) => sigmoid(block(total, k, H)));
    const g = tanh(block(total, 2, H));
    const next = map(c, (value, k) => f[k] * value + i[k] * g[k]);
    return [map(next, (value, k) => o[k] * Math.tanh(value)), next];
  }
}

/** A cell with layer normalization of both products (Ba et al. 2016). */
class NormalizedCell {
  constructor(weights, cell) {
    this.cell = cell;
    this.states = cell.states;
    this.inputs = weights.layerNorm("inputs");
    this.recurrent = weights.layerNorm("recurrent");
  }

  combine(inputs, recurrent, state) {
    return this.cell.combine(this.inputs.apply(inputs), this.recurrent.apply(recurrent), state);
  }
}

const CELLS = {
  rnn: (config) => new RNNCell(config.activation),
  gru: () => new GRUCell(),
  lstm: () => new LSTMCell(),
};

/** L layers of one cell, in D directions. A state has L * D states of the cell. */
class RNN {
  constructor(weights, cell, layers, directions, layerNorm) {
    this.layers = layers;
    this.directions = directions;
    this.runs = [];
    for (let run = 0; run < layers * directions; run++) {
      this.runs.push(RNN.direction(weights, cell, run, directions, layerNorm));
    }
    this.hidden = this.runs[0].recurrent.weight.columns;
  }

  /** Return the cell of one layer in one direction, and its layers of input and hidden state. */
  static direction(weights, cell, run, directions, layerNorm) {
    if (layerNorm) {
      const normalized = new NormalizedCell(weights.part(`norms.${run}`), cell);
      const [inputs, recurrent] = [`inputs.${run}`, `recurrent.${run}`];
      return {
        cell: normalized, inputs: weights.linear(inputs), recurrent: weights.linear(recurrent),
      };
    }
    const part = weights.part("layer");
    const end = `_l${Math.floor(run / directions)}${run % directions ? "_reverse" : ""}`;
    return {
      cell,
      inputs: new Linear(part.matrix(`weight_ih${end}`), part.vector(`bias_ih${end}`)),
      recurrent: new Linear(part.matrix(`weight_hh${end}`), part.vector(`bias_hh${end}`)),
    };
  }

  /** Return a state of zeros. */
  start() {
    return this.runs.map(({ cell }) => {
      return Array.from({ length: cell.states }, () => zeros(this.hidden));
    });
  }

  /**
   * Read a sequence of `size` inputs.
   *
   * products(layer, t) applies the input layer of the lowest layers to input t.
   * Return the outputs (T, D * H) and the last state.
   */
  read(size, products, state = this.start()) {
    const last = [];
    let outputs = [];
    for (let layer = 0; layer < this.layers; layer++) {
      const below = outputs;
      const inputs = layer === 0 ? products : (linear, t) => linear.apply(below[t]);
      const runs = [];
      for (let d = 0; d < this.directions; d++) {
        const run = layer * this.directions + d;
        runs.push(this.readOnce(run, size, inputs, state[run], d === 1));
      }
      outputs = runs[0].outputs.map((_, t) => concat(...runs.map((run) => run.outputs[t])));
      last.push(...runs.map((run) => run.state));
    }
    return { outputs, state: last };
  }

  /** Run one layer in one direction; return its outputs (T, H) and its last state. */
  readOnce(run, size, products, state, backward) {
    const { cell, inputs, recurrent } = this.runs[run];
    const outputs = new Array(size);
    for (let i = 0; i < size; i++) {
      const t = backward ? size - 1 - i : i;
      state = cell.combine(products(inputs, t), recurrent.apply(state[0]), state);
      outputs[t] = state[0];
    }
    return { outputs, state };
  }

  /** Read one vector; return the output (H,) of the highest layer and the next state. */
  step(x, state) {
    const { outputs, state: next } = this.read(1, (linear) => linear.apply(x), state);
    return [outputs[0], next];
  }
}
