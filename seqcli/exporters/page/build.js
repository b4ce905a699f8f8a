// Read the weights of the page, and build its models.

/** Decode base64 to bytes. */
function bytesOf(base64) {
  const text = atob(base64.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Read little-endian numbers one after another. */
class NumberReader {
  constructor(bytes) {
    this.view = new DataView(bytes.buffer);
    this.position = 0;
  }

  floats(size) {
    const start = this.position;
    this.position += 4 * size;
    return Float32Array.from({ length: size }, (_, i) => this.view.getFloat32(start + 4 * i, true));
  }

  /** Read a factor for each row, then the rows as 16-bit integers. */
  scaledIntegers([rows, columns]) {
    const factors = this.floats(rows);
    const start = this.position;
    this.position += 2 * rows * columns;
    return Float32Array.from({ length: rows * columns }, (_, i) => {
      return this.view.getInt16(start + 2 * i, true) * factors[Math.floor(i / columns)];
    });
  }
}

/** Return the weights of one model. shapes: [name, shape] in the order of the numbers. */
function weightsOf(base64, dtype, shapes) {
  const reader = new NumberReader(bytesOf(base64));
  const arrays = new Map();
  for (const [name, shape] of shapes) {
    const size = shape.reduce((product, axis) => product * axis, 1);
    const scaled = dtype === "int16" && shape.length === 2;
    const data = scaled ? reader.scaledIntegers(shape) : reader.floats(size);
    arrays.set(name, { data, shape });
  }
  return new Weights(arrays);
}

/** Build a model. copyIds: for each source id the target id of the same token, or PAD. */
function buildModel(weights, config, isLanguage, copyIds) {
  if (config.cell === "transformer") {
    if (isLanguage) return new TransformerLanguageModel(weights, config);
    return new Transformer(weights, config, copyIds);
  }
  const cell = CELLS[config.cell](config);
  if (isLanguage) return new RecurrentLanguageModel(weights, config, cell);
  return buildSeq2Seq(weights, config, cell, copyIds);
}

function buildSeq2Seq(weights, config, cell, copyIds) {
  const encoder = new Encoder(weights.part("encoder"), config, cell);
  const bridge = new Bridge(weights.part("bridge"), config);
  const decoder = buildDecoder(weights.part("decoder"), config, cell);
  const copy = config.copy ? new PointerGenerator(weights.part("copy"), copyIds) : null;
  const Model = decoder instanceof MonotonicDecoder ? MonotonicSeq2Seq : Seq2Seq;
  return new Model(encoder, bridge, decoder, copy);
}

function buildDecoder(weights, config, cell) {
  const Plain = config.feed_context ? ContextDecoder : PlainDecoder;
  if (config.attention === "none") return new Plain(weights, config, cell);
  const Kind = ATTENTIONS[config.attention];
  const attention = new Kind(weights.part("attention"), config.bidirectional ? 2 : 1);
  const decoders = { additive: BahdanauDecoder, monotonic: MonotonicDecoder };
  const Decoder = decoders[config.attention] ?? LuongDecoder;
  return new Decoder(weights, config, cell, attention);
}

/**
 * A model whose probabilities are the mean of its members' at every step.
 *
 * sourceIds and targetIds give a member's ids for those of the ensemble; null if they are equal.
 */
class Ensemble {
  constructor(members) {
    this.members = members; // { model, sourceIds, targetIds }
  }

  start(source) {
    return this.members.map(({ model, sourceIds }) => {
      return model.start(sourceIds === null ? source : source.map((id) => sourceIds[id]));
    });
  }

  step(token, states) {
    const steps = this.members.map((member, i) => this.stepOf(member, token, states[i]));
    const logits = map(steps[0].scores, (_, v) => {
      return logSumExp(steps.map(({ scores }) => scores[v])) - Math.log(steps.length);
    });
    const maps = steps.map(({ attention }) => attention).filter((weights) => weights !== null);
    const attention = maps.length < steps.length ? null : scale(sumOf(maps), 1 / maps.length);
    return { logits, state: steps.map(({ state }) => state), attention };
  }

  /** Step one member; return its log-probabilities for the ids of the ensemble. */
  stepOf({ model, targetIds }, token, state) {
    const output = model.step(targetIds === null ? token : targetIds[token], state);
    const scores = logSoftmax(output.logits);
    if (targetIds === null) return { ...output, scores };
    return { ...output, scores: map(scores, (_, v) => scores[targetIds[v]]) };
  }
}

/** Build the model or the ensemble that a page describes. */
function buildPage(page, weights) {
  const members = page.members.map((member, i) => ({
    model: buildModel(
      weightsOf(weights[i], member.dtype, member.shapes),
      member.config,
      page.source === null,
      member.copyIds,
    ),
    sourceIds: member.sourceIds,
    targetIds: member.targetIds,
  }));
  return members.length === 1 ? members[0].model : new Ensemble(members);
}
