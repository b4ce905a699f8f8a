// Language models: start() and step(token, state) as in Seq2Seq, without a source.

/** Recurrent layers over one-hot tokens, and a linear layer (Karpathy's char-rnn, 2015). */
class RecurrentLanguageModel {
  constructor(weights, config, cell) {
    this.rnn = new RNN(weights.part("rnn"), cell, config.layers, 1, config.layer_norm);
    this.output = weights.linear("output");
  }

  start() {
    return this.rnn.start();
  }

  step(token, state) {
    const { outputs, state: next } = this.rnn.read(1, (linear) => linear.oneHot(token), state);
    return { logits: this.output.apply(outputs[0]), state: next, attention: null };
  }
}

/** The decoder-only Transformer (Radford et al. 2018); its state has keys and values. */
class TransformerLanguageModel {
  constructor(weights, config) {
    this.embedding = new TokenEmbedding(weights.part("embedding"), config);
    const part = weights.part("layers");
    this.layers = transformerLayers(part, config, this.embedding.positions, false);
    this.norm = finalNorm(weights, "norm", config);
    this.output = weights.outputLayer(this.embedding.embedding, config.tied_embeddings);
  }

  start() {
    return this.layers.map(() => NOTHING);
  }

  step(token, caches) {
    let states = [this.embedding.apply(token, caches[0].keys.length)]; // (1, H)
    const next = this.layers.map((layer, i) => {
      const output = layer.read(states, { causal: true, past: caches[i] });
      states = output.states;
      return output.cache;
    });
    const logits = this.output.apply(this.norm.apply(states[0])); // (V,)
    return { logits, state: next, attention: null };
  }
}
