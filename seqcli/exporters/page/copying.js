// Copying source tokens into the target (See et al. 2017).

const FLOOR = 1e-30; // smaller probabilities of copying count as 0
const PAD = 0;

const logSigmoid = (x) => -logAddExp(0, -x);
const logOrMasked = (probability) => (probability > FLOOR ? Math.log(probability) : MASKED);

/** Mix the distribution over the vocabulary with copying from the source. */
class PointerGenerator {
  /** copyIds: for each source id the target id of the same token, or PAD. */
  constructor(weights, copyIds) {
    this.copyIds = copyIds;
    this.gate = weights.linear("gate");
  }

  /** Return the target token of each source position (S,). */
  pointers(source) {
    return source.map((token) => this.copyIds[token]);
  }

  /**
   * Return the logarithm of the mixture (V,), which serves as logits.
   *
   * Takes logits (V,), the decoder's output (H,), attention weights (S,) and pointers (S,).
   */
  mix(logits, hidden, weights, pointers) {
    const mass = zeros(logits.length); // (V,)
    pointers.forEach((target, s) => (mass[target] += weights[s]));
    const gate = this.gate.apply(hidden)[0];
    const logCopied = logSigmoid(-gate);
    // what cannot be copied has the mass of PAD, and is generated instead
    const logGenerated = logAddExp(logSigmoid(gate), logCopied + logOrMasked(mass[PAD]));
    mass[PAD] = 0;
    const generated = logSoftmax(logits);
    return map(mass, (p, v) => logAddExp(logGenerated + generated[v], logCopied + logOrMasked(p)));
  }
}

/** The pointer-generator of a Transformer, with an attention head of its own. */
class CopyHead extends PointerGenerator {
  constructor(weights, copyIds) {
    super(weights, copyIds);
    this.attention = new GeneralAttention(weights.part("attention"), 1);
  }

  /** Return pointers (S,) and keys (S, H) of the encoder's outputs (S, H). */
  prepare(source, outputs) {
    return { pointers: this.pointers(source), keys: this.attention.projectKeys(outputs) };
  }

  /** Attend with the decoder's output (H,), and return the mixture (V,). */
  attendAndMix(logits, hidden, { pointers, keys }) {
    const query = scale(hidden, 1 / Math.sqrt(hidden.length));
    return this.mix(logits, hidden, this.attention.weights(query, keys), pointers);
  }
}
