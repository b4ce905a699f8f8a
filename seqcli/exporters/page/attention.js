// Attention of a recurrent decoder over the encoder's outputs.

/** Compute how much a query attends to each source position. */
class Attention {
  constructor(weights, directions) {
    this.directions = directions; // D; the encoder's outputs are D * H wide
  }

  /** Project a decoder state (H,) to a query (A,). */
  projectQuery(state) {
    return state;
  }

  /** Return the values (S, H): the encoder's outputs (S, D * H) with their directions summed. */
  values(outputs) {
    return outputs.map((x) => {
      const H = x.length / this.directions;
      return sumOf(Array.from({ length: this.directions }, (_, d) => block(x, d, H)));
    });
  }

  /** Return the energies (S,) of a query (A,) with keys (S, A). */
  energies(query, keys) {
    return Float64Array.from(keys, (key) => dot(query, key));
  }

  /** Return the attention weights (S,). */
  weights(query, keys) {
    return softmax(this.energies(query, keys));
  }
}

/** energy = v . tanh(W q + U k) (Bahdanau et al. 2015). */
class AdditiveAttention extends Attention {
  constructor(weights, directions) {
    super(weights, directions);
    this.key = weights.linear("key");
    this.query = weights.linear("query");
    this.energy = weights.linear("energy");
  }

  projectQuery(state) {
    return this.query.apply(state); // (A,)
  }

  projectKeys(outputs) {
    return outputs.map((x) => this.key.apply(x)); // (S, A)
  }

  energies(query, keys) {
    return Float64Array.from(keys, (key) => this.energy.apply(tanh(add(query, key)))[0]);
  }
}

/** energy = q . k (Luong et al. 2015). The keys are the values. */
class DotAttention extends Attention {
  projectKeys(outputs) {
    return this.values(outputs); // (S, H)
  }
}

/** energy = q . W h, with the encoder's outputs h (Luong et al. 2015). */
class GeneralAttention extends Attention {
  constructor(weights, directions) {
    super(weights, directions);
    this.key = weights.linear("key");
  }

  projectKeys(outputs) {
    return outputs.map((x) => this.key.apply(x)); // (S, H)
  }
}

const ATTENTIONS = {
  additive: AdditiveAttention,
  dot: DotAttention,
  general: GeneralAttention,
  monotonic: GeneralAttention, // see MonotonicDecoder
};
