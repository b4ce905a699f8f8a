// Positional encodings of the Transformer.

/** No positions: the causal mask alone gives the order (Kazemnejad et al. 2023). */
class NoPositions {
  givesOrder() {
    return false;
  }

  /** Return an embedding (H,) with its position. */
  added(embedded, position) {
    return embedded;
  }

  /** Return the heads (N * d,) of a query or key with its position. */
  rotated(heads, position) {
    return heads;
  }
}

class Positions extends NoPositions {
  givesOrder() {
    return true;
  }
}

/** Fixed sines and cosines; any length. */
class SinusoidalPositions extends Positions {
  constructor(weights, width) {
    super();
    this.rates = ratesOf(width); // (H / 2,)
  }

  added(embedded, position) {
    const angles = map(this.rates, (rate) => rate * position);
    const waves = concat(map(angles, Math.sin), map(angles, Math.cos)); // (H,), or one more
    return map(embedded, (value, i) => value + waves[i]);
  }
}

/** A learned vector for each position. */
class LearnedPositions extends Positions {
  constructor(weights) {
    super();
    this.table = weights.embedding("table");
  }

  added(embedded, position) {
    return add(embedded, this.table.row(position));
  }
}

/** Rotation of queries and keys by an angle that grows with the position (Su et al. 2021). */
class RotaryPositions extends Positions {
  constructor(weights, width, heads) {
    super();
    this.rates = ratesOf(width / heads); // (d / 2,)
  }

  rotated(heads, position) {
    const half = this.rates.length;
    return map(heads, (value, i) => {
      const k = i % (2 * half);
      const angle = this.rates[k % half] * position;
      const partner = k < half ? -heads[i + half] : heads[i - half];
      return value * Math.cos(angle) + partner * Math.sin(angle);
    });
  }
}

/** Return the angular rates (width / 2,), from 1 down to 1 / 10000, as 32-bit numbers. */
function ratesOf(width) {
  const size = Math.floor((width + 1) / 2);
  return map(zeros(size), (_, i) => Math.fround(Math.exp((i * -2 * Math.log(10000)) / width)));
}

const POSITIONS = {
  sinusoidal: SinusoidalPositions,
  learned: LearnedPositions,
  rotary: RotaryPositions,
  none: NoPositions,
};
