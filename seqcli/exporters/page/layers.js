// The layers that models consist of, and access to the weights.

const EPSILON = 1e-5; // of layer norms

/** y = W x + b. The weight is (O, I); the bias is (O,) or null. */
class Linear {
  constructor(weight, bias) {
    this.weight = weight;
    this.bias = bias;
  }

  apply(x) {
    const y = product(this.weight, x); // (O,)
    return this.bias === null ? y : add(y, this.bias);
  }

  /** Apply the layer to the one-hot vector of a token: select a column of W. */
  oneHot(token) {
    const { data, rows, columns } = this.weight;
    const column = map(zeros(rows), (_, row) => data[row * columns + token]); // (O,)
    return this.bias === null ? column : add(column, this.bias);
  }
}

/** An output layer whose weights are the embeddings (V, E), multiplied by a factor. */
class TiedLinear {
  constructor(embedding, factor, bias, projection) {
    this.layer = new Linear(embedding.weight, bias);
    this.factor = factor;
    this.projection = projection; // from inputs of another size to E, or null
  }

  apply(x) {
    const projected = this.projection === null ? x : this.projection.apply(x); // (E,)
    return this.layer.apply(scale(projected, this.factor)); // (V,)
  }
}

/** A vector (E,) for each of V tokens. */
class Embedding {
  constructor(weight) {
    this.weight = weight;
  }

  row(token) {
    const { data, columns } = this.weight;
    return Float64Array.from(data.subarray(token * columns, (token + 1) * columns));
  }
}

/** Normalize a vector to mean 0 and variance 1, then scale and shift it. */
class LayerNorm {
  constructor(weight, bias) {
    this.weight = weight;
    this.bias = bias;
  }

  apply(x) {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const centered = map(x, (value) => value - mean);
    const deviation = Math.sqrt(dot(centered, centered) / x.length + EPSILON);
    return map(centered, (value, i) => (value / deviation) * this.weight[i] + this.bias[i]);
  }
}

/** Return the input. */
class Identity {
  apply(x) {
    return x;
  }
}

/** The weights of a model by their PyTorch names, or those of one part of it. */
class Weights {
  /** Arrays: name -> { data: Float32Array, shape }. */
  constructor(arrays, prefix = "") {
    this.arrays = arrays;
    this.prefix = prefix;
  }

  part(name) {
    return new Weights(this.arrays, `${this.prefix}${name}.`);
  }

  has(name) {
    return this.arrays.has(this.prefix + name);
  }

  /** Return a vector, or null if there is none of that name. */
  vector(name) {
    return this.has(name) ? this.arrays.get(this.prefix + name).data : null;
  }

  matrix(name) {
    const array = this.arrays.get(this.prefix + name);
    if (array === undefined) throw new Error(`the weights have no ${this.prefix}${name}`);
    return { data: array.data, rows: array.shape[0], columns: array.shape[1] };
  }

  linear(name) {
    return new Linear(this.matrix(`${name}.weight`), this.vector(`${name}.bias`));
  }

  embedding(name) {
    return new Embedding(this.matrix(`${name}.weight`));
  }

  layerNorm(name) {
    return new LayerNorm(this.vector(`${name}.weight`), this.vector(`${name}.bias`));
  }

  /** Return the layer from inputs to logits; see TiedLinear for tied embeddings. */
  outputLayer(embedding, tied, factor = 1) {
    if (!tied) return this.linear("output");
    const projection = this.has("output.projection.weight");
    return new TiedLinear(
      embedding,
      factor,
      this.vector("output.bias"),
      projection ? this.linear("output.projection") : null,
    );
  }
}
