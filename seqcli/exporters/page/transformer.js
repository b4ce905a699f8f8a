// The Transformer (Vaswani et al. 2017).

/** Scaled dot-product attention in N heads: softmax(Q K^T / sqrt(d)) V. */
class MultiHeadAttention {
  constructor(weights, heads) {
    this.heads = heads;
    this.query = weights.linear("query");
    this.keyValue = weights.linear("key_value");
    this.output = weights.linear("output");
  }

  /** Project a state (H,) to a key and a value (H,), the heads one after another. */
  project(state) {
    const both = this.keyValue.apply(state); // (2 * H,)
    return [block(both, 0, state.length), block(both, 1, state.length)];
  }

  /** Split a vector (H,) into its heads (N, d). */
  split(x) {
    return Array.from({ length: this.heads }, (_, n) => block(x, n, x.length / this.heads));
  }

  /** Attend with a query (H,); return the output (H,) and the attention weights (N, S). */
  attend(query, { keys, values }) {
    const factor = 1 / Math.sqrt(query.length / this.heads);
    const weights = this.split(scale(query, factor)).map((q, n) => {
      return softmax(Float64Array.from(keys, (heads) => dot(q, heads[n]))); // (S,)
    });
    const mixed = weights.map((perPosition, n) => {
      return weightedSum(perPosition, values.map((heads) => heads[n])); // (d,)
    });
    return [this.output.apply(concat(...mixed)), weights];
  }
}

/** x + f(norm(x)) ("pre", Xiong et al. 2020) or norm(x + f(x)) ("post", the original). */
class Residual {
  constructor(weights, norm) {
    this.norm = weights.layerNorm("norm");
    this.pre = norm === "pre";
  }

  /** Return the input of f. */
  before(x) {
    return this.pre ? this.norm.apply(x) : x;
  }

  /** Add the output of f to x. */
  after(x, change) {
    return this.pre ? add(x, change) : this.norm.apply(add(x, change));
  }
}

/** Two linear layers with ReLU between them. */
class FeedForward {
  constructor(weights) {
    this.first = weights.linear("0"); // 1 and 2 are ReLU and dropout
    this.second = weights.linear("3");
  }

  apply(x) {
    return this.second.apply(relu(this.first.apply(x)));
  }
}

/** A convolution over adjacent positions, with ReLU; positions beyond both ends are zeros. */
class Convolution {
  constructor(weights, size) {
    this.reach = (size - 1) / 2;
    this.linear = weights.linear("linear");
  }

  /** Map states (S, H) to states (S, H). */
  read(states) {
    const size = 2 * this.reach + 1;
    return states.map((x, s) => {
      const at = (i) => states[s + i - this.reach] ?? zeros(x.length); // (H,)
      return relu(this.linear.apply(concat(...Array.from({ length: size }, (_, i) => at(i)))));
    });
  }
}

const NOTHING = { keys: [], values: [] };

/**
 * Self-attention, attention to the source (if `cross`), and a feed-forward network; before them a
 * convolution over that many positions, unless it is 0.
 */
class TransformerLayer {
  constructor(weights, config, positions, cross, convolution) {
    this.positions = positions;
    this.convolution = null;
    if (convolution > 0) {
      this.convolution = new Convolution(weights.part("convolution"), convolution);
      this.afterConvolution = new Residual(weights.part("after_convolution"), config.norm);
    }
    this.selfAttention = new MultiHeadAttention(weights.part("self_attention"), config.heads);
    this.afterSelf = new Residual(weights.part("after_self"), config.norm);
    if (cross) {
      this.crossAttention = new MultiHeadAttention(weights.part("cross_attention"), config.heads);
      this.afterCross = new Residual(weights.part("after_cross"), config.norm);
    }
    this.feedForward = new FeedForward(weights.part("feedforward"));
    this.afterFeedForward = new Residual(weights.part("after_feedforward"), config.norm);
  }

  /**
   * Compute the next layer's states.
   *
   * states: (T, H). causal: position t attends to positions up to t only. past: keys and values
   * (S, N, d) of the positions before. source: those of the source, for a layer that attends to it.
   * Return the states, all keys and values so far, and the weights (N, S) of the last position
   * over the source.
   */
  read(states, { causal, past = NOTHING, source = null }) {
    const { attended, cache } = this.attendToSelf(this.convolved(states), causal, past);
    let [x, weights] = [attended, null];
    if (source !== null) [x, weights] = this.attendToSource(x, source, past.keys.length);
    const after = x.map((y) => {
      const change = this.feedForward.apply(this.afterFeedForward.before(y));
      return this.afterFeedForward.after(y, change);
    });
    return { states: after, cache, weights };
  }

  convolved(states) {
    if (this.convolution === null) return states;
    const changes = this.convolution.read(states.map((x) => this.afterConvolution.before(x)));
    return states.map((x, s) => this.afterConvolution.after(x, changes[s]));
  }

  attendToSelf(states, causal, past) {
    const inputs = states.map((x) => this.afterSelf.before(x)); // (T, H)
    const first = past.keys.length;
    const rotated = (x, t) => this.positions.rotated(x, first + t);
    const queries = inputs.map((x) => this.selfAttention.query.apply(x)).map(rotated); // (T, H)
    const pairs = inputs.map((x) => this.selfAttention.project(x));
    const cache = {
      keys: [...past.keys, ...pairs.map(([key], t) => this.selfAttention.split(rotated(key, t)))],
      values: [...past.values, ...pairs.map(([, value]) => this.selfAttention.split(value))],
    };
    const attended = states.map((x, t) => {
      const visible = causal ? firstOf(cache, first + t + 1) : cache;
      return this.afterSelf.after(x, this.selfAttention.attend(queries[t], visible)[0]);
    });
    return { attended, cache };
  }

  /** Return the source's keys, with their positions, and values (S, N, d) of states (S, H). */
  sourceMemory(states) {
    const attention = this.crossAttention;
    const pairs = states.map((x) => attention.project(x)); // (S, 2, H)
    return {
      keys: pairs.map(([key], s) => attention.split(this.positions.rotated(key, s))),
      values: pairs.map(([, value]) => attention.split(value)),
    };
  }

  attendToSource(states, source, first) {
    let weights = null;
    const attended = states.map((x, t) => {
      const input = this.afterCross.before(x); // (H,)
      const query = this.positions.rotated(this.crossAttention.query.apply(input), first + t);
      const [change, perHead] = this.crossAttention.attend(query, source);
      weights = perHead;
      return this.afterCross.after(x, change);
    });
    return [attended, weights];
  }
}

const firstOf = ({ keys, values }, size) => ({
  keys: keys.slice(0, size), values: values.slice(0, size),
});

/** Return the layers of an encoder, of a decoder (`cross`) or of a language model. */
function transformerLayers(weights, config, positions, cross, convolution = 0) {
  return Array.from({ length: config.layers }, (_, layer) => {
    return new TransformerLayer(weights.part(`${layer}`), config, positions, cross, convolution);
  });
}

/** Return the layer norm after the last layer: "pre" has one, "post" does not need it. */
function finalNorm(weights, name, config) {
  return config.norm === "pre" ? weights.layerNorm(name) : new Identity();
}

/** Token embeddings with positions. */
class TokenEmbedding {
  constructor(weights, config) {
    this.embedding = weights.embedding("embedding");
    const Kind = POSITIONS[config.positions];
    this.positions = new Kind(weights.part("positions"), config.hidden, config.heads);
    this.factor = Math.sqrt(config.hidden);
  }

  /** Embed a token at a position: (H,). */
  apply(token, position) {
    return this.positions.added(scale(this.embedding.row(token), this.factor), position);
  }
}

/** The encoder-decoder; states and steps as in Seq2Seq. */
class Transformer {
  constructor(weights, config, copyIds) {
    this.source = new TokenEmbedding(weights.part("source_embedding"), config);
    this.target = new TokenEmbedding(weights.part("target_embedding"), config);
    const [encoder, decoder] = [weights.part("encoder"), weights.part("decoder")];
    this.ends = config.mark_ends ? weights.part("ends").embedding("marks") : null;
    const { convolution } = config;
    this.encoder = transformerLayers(encoder, config, this.source.positions, false, convolution);
    this.decoder = transformerLayers(decoder, config, this.target.positions, true);
    this.sourceNorm = finalNorm(weights, "source_norm", config);
    this.targetNorm = finalNorm(weights, "target_norm", config);
    this.output = weights.outputLayer(this.target.embedding, config.tied_embeddings);
    this.continues = config.continue_positions;
    this.copy = config.copy ? new CopyHead(weights.part("copy"), copyIds) : null;
  }

  /** Encode the source; keep its keys and values for each layer of the decoder. */
  start(source) {
    const causal = !this.source.positions.givesOrder(); // or it would see a bag of tokens
    let states = source.map((token, s) => this.source.apply(token, s)); // (S, H)
    if (this.ends !== null) this.markEnds(states);
    for (const layer of this.encoder) ({ states } = layer.read(states, { causal }));
    const outputs = states.map((x) => this.sourceNorm.apply(x)); // (S, H)
    return {
      memories: this.decoder.map((layer) => layer.sourceMemory(outputs)),
      copies: this.copy === null ? null : this.copy.prepare(source, outputs),
      first: this.continues ? source.length : 0, // position of the first target token
      caches: this.decoder.map(() => NOTHING),
    };
  }

  /** Add a learned vector to the first of the states (S, H), and one to the last. */
  markEnds(states) {
    [0, states.length - 1].forEach((s, mark) => {
      if (s in states) states[s] = add(states[s], this.ends.row(mark));
    });
  }

  step(token, state) {
    const { memories, first, caches, copies } = state;
    let states = [this.target.apply(token, first + caches[0].keys.length)]; // (1, H)
    let weights = null;
    const next = this.decoder.map((layer, i) => {
      const options = { causal: true, past: caches[i], source: memories[i] };
      const output = layer.read(states, options);
      ({ states, weights } = output);
      return output.cache;
    });
    const hidden = this.targetNorm.apply(states[0]); // (H,)
    const logits = this.output.apply(hidden); // (V,)
    return {
      logits: copies === null ? logits : this.copy.attendAndMix(logits, hidden, copies),
      state: { ...state, caches: next },
      attention: scale(sumOf(weights), 1 / weights.length), // of the last layer, mean of the heads
    };
  }
}
