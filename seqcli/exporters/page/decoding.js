// Search for the best predictions, and sample.
//
// The searches are generators: they yield after every step of the model, so that the page can
// pause them to read the keyboard. `finish` runs one to its end.

const [BOS, EOS, UNK] = [1, 2, 3];

/** Run a generator to its end and return its result. */
function finish(generator) {
  for (;;) {
    const { done, value } = generator.next();
    if (done) return value;
  }
}

/** Convert logits (V,) to log-probabilities; -Infinity for ids that are never predicted. */
function nextScores(logits) {
  const scores = logSoftmax(logits);
  for (const id of [PAD, BOS, UNK]) scores[id] = -Infinity;
  return scores;
}

/**
 * Return the maximum length of a prediction, and its exact length (null: free).
 *
 * For sources longer than in training, the limit grows proportionally.
 */
function lengthsFor(limits, sourceLength) {
  if (limits.labels) return { limit: 2, exact: 1 };
  const { source, target, room } = limits;
  const most = target + room;
  if (sourceLength <= source) return { limit: most, exact: null };
  return { limit: Math.ceil((most * sourceLength) / Math.max(source, 1)), exact: null };
}

/** Allow only EOS at the end of a prediction, and all but EOS before an exact length. */
function allowed(scores, t, { limit, exact }) {
  const onlyEnd = exact === null ? t === limit : t === exact;
  if (exact === null && !onlyEnd) return scores;
  return map(scores, (score, id) => ((id === EOS) === onlyEnd ? score : -Infinity));
}

/** Choose the most likely token at each step, from a prefix on. */
function* greedySearch(model, prefix, lengths) {
  let { ids, total, token, state } = prefix;
  for (;;) {
    const output = model.step(token, state);
    yield;
    const scores = allowed(nextScores(output.logits), ids.length, lengths);
    token = scores.indexOf(highest(scores));
    total += scores[token];
    state = output.state;
    if (token === EOS) return [hypothesis(ids, total, 1, lengths)];
    ids = [...ids, token];
  }
}

/**
 * Keep the best unfinished hypotheses at each step; return the `nbest` best finished ones.
 *
 * The score of a finished hypothesis is its log-probability / (its length with EOS) ** penalty.
 * prefix: the result of readPrefix.
 */
function* beamSearch(model, prefix, lengths, { width, penalty, nbest }) {
  if (width === 1) return yield* greedySearch(model, prefix, lengths);
  let beam = [prefix];
  let finished = [];
  for (let t = prefix.ids.length; t <= lengths.limit && beam.length > 0; t++) {
    const grown = [];
    for (const one of beam) {
      const output = model.step(one.token, one.state);
      yield;
      const scores = allowed(nextScores(output.logits), t, lengths);
      finished.push(hypothesis(one.ids, one.total + scores[EOS], penalty, lengths));
      grown.push(...extensions(one, scores, output.state, width));
    }
    finished = best(finished.filter(({ score }) => score > -Infinity), nbest, "score");
    beam = best(grown, width, "total");
    const bound = beam.length === 0 ? -Infinity : beam[0].total / (lengths.limit + 1) ** penalty;
    if (finished.length === nbest && finished[nbest - 1].score >= bound) break;
  }
  return finished;
}

/** Return the `width` best extensions of a hypothesis by one token. */
function extensions({ ids, total }, scores, state, width) {
  const tokens = topOf(scores, width + 1).filter((id) => id !== EOS && scores[id] > -Infinity);
  return tokens.slice(0, width).map((token) => {
    return { ids: [...ids, token], total: total + scores[token], token, state };
  });
}

function hypothesis(ids, logProbability, penalty, { limit, exact }) {
  const score = logProbability / (ids.length + 1) ** penalty;
  return { ids, logProbability, score, truncated: exact === null && ids.length === limit };
}

/** Return the elements with the highest values of a key, best first. */
const best = (list, size, key) => [...list].sort((a, b) => b[key] - a[key]).slice(0, size);

/** Return the indices of the largest values, largest first. */
function topOf(values, size) {
  const order = Array.from(values.keys());
  return order.sort((a, b) => values[b] - values[a] || a - b).slice(0, size);
}

/**
 * Read the first ids of a prediction.
 *
 * Return them, their log-probability, the last token (BOS without ids), and the state before it.
 */
function* readPrefix(model, state, ids) {
  let [token, total] = [BOS, 0];
  for (const id of ids) {
    const output = model.step(token, state);
    yield;
    total += nextScores(output.logits)[id];
    [token, state] = [id, output.state];
  }
  return { ids, total, token, state };
}

/** Return log-probabilities (V,) and attention weights before each of `ids` and EOS. */
function* trace(model, state, ids) {
  const steps = [];
  for (const token of [BOS, ...ids]) {
    const output = model.step(token, state);
    yield;
    state = output.state;
    steps.push({ scores: logSoftmax(output.logits), attention: output.attention });
  }
  return steps;
}

/** Return the log-probability of a target, EOS included. */
function* score(model, state, ids) {
  const steps = yield* trace(model, state, ids);
  return [...ids, EOS].reduce((sum, id, t) => sum + steps[t].scores[id], 0);
}

/** Return the probabilities (V,) to sample from, at a temperature. */
function probabilities(scores, temperature) {
  return softmax(map(scores, (score) => score / temperature));
}

/** Sample an index from probabilities; random() gives a number in [0, 1). */
function draw(weights, random) {
  let height = 0;
  const heights = map(weights, (weight) => (height += weight));
  const target = (1 - random()) * height; // above 0: what has probability 0 is never drawn
  return heights.findIndex((value) => value >= target);
}

/** Sample one text that begins with a prefix. Its log-probability is that of the model. */
function* sampleText(model, prefix, limit, temperature, random) {
  let { state, token } = yield* readPrefix(model, model.start(), prefix);
  const ids = [...prefix];
  let logProbability = 0; // given the prefix
  while (ids.length <= limit) {
    const output = model.step(token, state);
    yield;
    const scores = allowed(nextScores(output.logits), ids.length, { limit, exact: null });
    token = draw(probabilities(scores, temperature), random);
    logProbability += scores[token];
    state = output.state;
    if (token === EOS) break;
    ids.push(token);
  }
  return { ids, logProbability, truncated: ids.length === limit };
}
