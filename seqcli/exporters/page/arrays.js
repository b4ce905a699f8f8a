// Arithmetic on vectors and matrices.
//
// A vector is a Float64Array. A matrix is { data, rows, columns }, with its rows one after another
// in a Float32Array. A sequence of vectors is an array of them.
//
// Shapes use one alphabet: S source length, T target length, V vocabulary, E embedding, H hidden,
// N heads, L layers, D directions. There is no batch: every function computes one source and one
// hypothesis.

const MASKED = -1e9; // added to the energies of positions that must not be attended to

/** Return f(x[i], i) for every element of a vector. */
function map(x, f) {
  const y = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) y[i] = f(x[i], i);
  return y;
}

const scale = (x, factor) => map(x, (value) => factor * value);
const tanh = (x) => map(x, Math.tanh);
const relu = (x) => map(x, (value) => Math.max(value, 0));
const sigmoid = (x) => map(x, (value) => 0.5 * (1 + Math.tanh(0.5 * value)));
const zeros = (size) => new Float64Array(size);

/** Return x + y. */
function add(x, y) {
  const sum = new Float64Array(x.length);
  for (let i = 0; i < sum.length; i++) sum[i] = x[i] + y[i];
  return sum;
}

/** Return the vectors one after another as one vector. */
function concat(...vectors) {
  const joined = zeros(vectors.reduce((size, x) => size + x.length, 0));
  let end = 0;
  for (const x of vectors) {
    joined.set(x, end);
    end += x.length;
  }
  return joined;
}

/** Return the k-th of the blocks of `size` elements that a vector consists of. */
const block = (x, k, size) => x.subarray(k * size, (k + 1) * size);

/** Return x . y. */
function dot(x, y) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

/** Return W x: (rows, columns) and (columns,) give (rows,). */
function product({ data, rows, columns }, x) {
  const y = zeros(rows);
  for (let row = 0, at = 0; row < rows; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++) sum += data[at++] * x[column];
    y[row] = sum;
  }
  return y;
}

/** Return the sum of vectors (S, C), each multiplied by its weight (S,): (C,). */
function weightedSum(weights, vectors) {
  const sum = zeros(vectors[0].length);
  for (let s = 0; s < vectors.length; s++) {
    const [weight, x] = [weights[s], vectors[s]];
    for (let i = 0; i < sum.length; i++) sum[i] += weight * x[i];
  }
  return sum;
}

/** Return the sum of vectors of one length. */
const sumOf = (vectors) => vectors.reduce(add);

/** Return the largest element. */
function highest(x) {
  let top = -Infinity;
  for (const value of x) if (value > top) top = value;
  return top;
}

/** Return log(sum(exp(x))) without overflow. */
function logSumExp(x) {
  const top = highest(x);
  if (top === -Infinity) return top;
  let sum = 0;
  for (const value of x) sum += Math.exp(value - top);
  return top + Math.log(sum);
}

/** Return log(exp(a) + exp(b)) without overflow. */
const logAddExp = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));

/** Return the logarithms of the probabilities that belong to logits. */
function logSoftmax(logits) {
  const total = logSumExp(logits);
  return map(logits, (value) => value - total);
}

/** Return the probabilities that belong to logits: exp(x) divided by its sum. */
const softmax = (logits) => map(logSoftmax(logits), Math.exp);
